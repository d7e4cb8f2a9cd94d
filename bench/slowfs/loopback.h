/* A folder passed through to the kernel's FUSE requests, each at its cost. */
#pragma once
#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>

#define MAX_IO (1 << 20)

struct request {
  const struct fuse_in_header *in;
  const void *argument; /* what follows the header */
  int fd;               /* of the node that it is about, O_PATH; not set where it is about an open file */
  void *reply;          /* room for MAX_IO bytes */
  size_t reply_length;
};

/* The kernel may keep names and attributes for so long. */
void set_validity(double seconds);
void set_types(bool told);

/* Fills in the reply and returns 0, or an errno; NO_REPLY where the kernel waits for none. */
#define NO_REPLY (-1)
int answer(struct request *request);
