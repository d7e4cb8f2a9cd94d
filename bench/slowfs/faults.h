/* Faults on request, for tests: requests that fail, and requests that get no answer. Any thread may call. */
#pragma once
#include "loopback.h"
#include <stdint.h>

/* "fail KIND ERRNO AFTER [NAME]", "hang KIND AFTER [NAME]" or "release". KIND is one of cost.h, or "any". AFTER so many matching
   requests all further ones have the fault; NAME is that of the file or folder itself. One fault at a time; "release" ends it, and
   answers the requests that wait. False if it is none of these words. */
bool set_fault(const char *line);

/* 0: to be answered as usual, perhaps after a long wait; else the errno to answer with. */
int fault_of(const struct request *r);

/* Ends the wait of a request: whoever made the call was killed, or has to handle a signal. False if it does not wait yet. */
bool interrupt_wait(uint64_t unique);

int waiting_requests(void);
