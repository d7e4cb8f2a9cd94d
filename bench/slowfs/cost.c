#define _GNU_SOURCE
#include "cost.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define AS_NAME(kind) #kind,
static const char *const names[] = {KINDS(AS_NAME)};

static atomic_ulong requests[KIND_COUNT], read_bytes, written_bytes;
static atomic_ulong in_flight, max_in_flight;
static atomic_llong cpu_start;

static int64_t latency_ns[KIND_COUNT];
static double ns_per_byte;

static pthread_mutex_t line = PTHREAD_MUTEX_INITIALIZER;
static int64_t line_free_at; /* CLOCK_MONOTONIC ns: when all bytes that were promised have gone over the line */

static int64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(int64_t at) {
  struct timespec t = {at / 1000000000, at % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) continue;
}

void set_costs(struct costs costs) {
  for (int kind = 0; kind < KIND_COUNT; kind++) latency_ns[kind] = (int64_t)(costs.latency_ms * 1e6);
  latency_ns[KIND_fstat] = (int64_t)(costs.fstat_ms * 1e6);
  latency_ns[KIND_close] = (int64_t)(costs.close_ms * 1e6);
  ns_per_byte = costs.bandwidth_mb > 0 ? 1e3 / costs.bandwidth_mb : 0;
}

void count(enum kind kind) { requests[kind]++; }

void pay_latency(enum kind kind) {
  count(kind);
  unsigned long flying = ++in_flight, seen = max_in_flight;
  while (seen < flying && !atomic_compare_exchange_weak(&max_in_flight, &seen, flying)) continue;
  if (latency_ns[kind] > 0) sleep_until(now_ns(CLOCK_MONOTONIC) + latency_ns[kind]);
  in_flight--;
}

/* One line shared by all readers. Waits under a millisecond add up first: a sleep of 20 us for
   each small file would take more CPU than the read, and the sum is the same. */
void pay_read(size_t bytes) {
  count(KIND_read);
  read_bytes += bytes;
  if (ns_per_byte == 0) return;
  int64_t now = now_ns(CLOCK_MONOTONIC);
  pthread_mutex_lock(&line);
  if (line_free_at < now) line_free_at = now;
  int64_t done = line_free_at += (int64_t)((double)bytes * ns_per_byte);
  pthread_mutex_unlock(&line);
  if (done - now > 1000000) sleep_until(done);
}

void count_written(size_t bytes) {
  count(KIND_write);
  written_bytes += bytes;
}

void print_counters(FILE *out, int waiting) {
  fputc('{', out);
  for (int kind = 0; kind < KIND_COUNT; kind++) fprintf(out, "\"%s\":%lu,", names[kind], requests[kind]);
  fprintf(out, "\"readBytes\":%lu,\"writtenBytes\":%lu,\"maxInFlight\":%lu,\"waiting\":%d,\"serverCpuMs\":%.1f}\n",
          read_bytes, written_bytes, max_in_flight, waiting, (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_start) / 1e6);
  fflush(out);
}

void reset_counters(void) {
  for (int kind = 0; kind < KIND_COUNT; kind++) requests[kind] = 0;
  read_bytes = written_bytes = 0;
  max_in_flight = atomic_load(&in_flight);
  cpu_start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
}
