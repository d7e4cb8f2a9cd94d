/* A folder passed through to the kernel's FUSE requests, each at its cost. */
#pragma once
#include "cost.h"
#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>

#define MAX_IO (1 << 20)

struct request {
  const struct fuse_in_header *in;
  const void *argument; /* what follows the header */
  int fd;               /* of the node, O_PATH; not set if the request is about an open file */
  void *reply;          /* room for MAX_IO bytes */
  size_t reply_length;
  bool forgets;         /* the kernel is to forget the attributes of the node before it gets the reply */
};

/* How long the kernel may keep names and attributes. */
void set_validity(double seconds);
void set_types(bool told);
/* Whether it forgets attributes at each open, so that every fstat asks. */
void set_forgetting(bool forgets);

enum kind kind_of_getattr(const struct request *request);

/* Fills in the reply and returns 0, or an errno; NO_REPLY if the kernel waits for none. */
#define NO_REPLY (-1)
int answer(struct request *request);
