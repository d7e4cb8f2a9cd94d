/* What requests cost, and how many there were. Every function may be called from any thread. */
#pragma once
#include <stddef.h>
#include <stdio.h>

/* The kinds of request that are counted; forget, release and init have no counterpart that a network would wait for. `fstat` is
   a getattr of a file that is open, `close` is FUSE's flush, and `revalidate` the getattr by which the kernel makes sure of a file's
   size before it reads: elsewhere the answer to the read itself brings that. */
#define KINDS(X)                                                                                                       \
  X(lookup) X(getattr) X(open) X(opendir) X(fstat) X(close) X(revalidate) X(readdir) X(read) X(readlink) X(statfs) X(create) X(write) X(setattr)       \
  X(mkdir) X(mknod) X(symlink) X(link) X(rename) X(unlink) X(rmdir) X(fsync)

#define AS_ENUM(kind) KIND_##kind,
enum kind { KINDS(AS_ENUM) KIND_COUNT };

struct costs { double latency_ms, fstat_ms, close_ms, bandwidth_mb; }; /* MB are 10^6 bytes a second, 0 is unlimited */
void set_costs(struct costs costs);
void count(enum kind kind);
void pay_latency(enum kind kind);   /* counts the request and sleeps */
void pay_read(size_t bytes);        /* counts the bytes and sleeps while the line is busy */
void count_written(size_t bytes);
void print_counters(FILE *out, int waiting); /* one line of JSON */
void reset_counters(void);
