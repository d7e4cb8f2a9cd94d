/* What requests cost, and how many there were. Every function may be called from any thread. */
#pragma once
#include <stddef.h>
#include <stdio.h>

/* The kinds of request that are counted; forget, release and init have no counterpart that a network would wait for. */
#define KINDS(X)                                                                                                       \
  X(lookup) X(getattr) X(open) X(opendir) X(readdir) X(read) X(readlink) X(statfs) X(create) X(write) X(setattr)       \
  X(mkdir) X(mknod) X(symlink) X(link) X(rename) X(unlink) X(rmdir) X(fsync)

#define AS_ENUM(kind) KIND_##kind,
enum kind { KINDS(AS_ENUM) KIND_COUNT };

void set_costs(double latency_ms, double bandwidth_mb); /* MB are 10^6 bytes a second, 0 is unlimited */
void count(enum kind kind);
void pay_latency(enum kind kind);   /* counts the request and sleeps */
void pay_read(size_t bytes);        /* counts the bytes and sleeps while the line is busy */
void count_written(size_t bytes);
void print_counters(FILE *out, int waiting); /* one line of JSON */
void reset_counters(void);
