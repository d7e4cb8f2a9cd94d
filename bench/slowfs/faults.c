#define _GNU_SOURCE
#include "faults.h"
#include "cost.h"
#include "nodes.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define AS_NAME(kind) #kind,
static const char *const names[] = {KINDS(AS_NAME)};

/* Requests that no kind counts (forget, release, init, interrupt) have no faults. */
static const int kinds[] = {
    [FUSE_LOOKUP] = 1 + KIND_lookup, [FUSE_FLUSH] = 1 + KIND_close, [FUSE_OPEN] = 1 + KIND_open,
    [FUSE_OPENDIR] = 1 + KIND_opendir, [FUSE_READDIR] = 1 + KIND_readdir, [FUSE_READ] = 1 + KIND_read,
    [FUSE_READLINK] = 1 + KIND_readlink, [FUSE_STATFS] = 1 + KIND_statfs, [FUSE_CREATE] = 1 + KIND_create,
    [FUSE_WRITE] = 1 + KIND_write, [FUSE_SETATTR] = 1 + KIND_setattr, [FUSE_MKDIR] = 1 + KIND_mkdir,
    [FUSE_MKNOD] = 1 + KIND_mknod, [FUSE_SYMLINK] = 1 + KIND_symlink, [FUSE_LINK] = 1 + KIND_link,
    [FUSE_RENAME] = 1 + KIND_rename, [FUSE_RENAME2] = 1 + KIND_rename, [FUSE_UNLINK] = 1 + KIND_unlink,
    [FUSE_RMDIR] = 1 + KIND_rmdir, [FUSE_FSYNC] = 1 + KIND_fsync,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static struct { enum { NONE, FAIL, HANG } what; char kind[16], name[256]; int error; long after; } fault;

struct wait { uint64_t unique; bool interrupted; struct wait *next; };
static struct wait *waits;
static int waiting;

bool set_fault(const char *line) {
  pthread_mutex_lock(&lock);
  fault.what = NONE;
  fault.name[0] = '\0';
  bool known = !strcmp(line, "release\n");
  if (sscanf(line, "fail %15s %d %ld %255[^\n]", fault.kind, &fault.error, &fault.after, fault.name) >= 3) fault.what = FAIL;
  else if (sscanf(line, "hang %15s %ld %255[^\n]", fault.kind, &fault.after, fault.name) >= 2) fault.what = HANG;
  pthread_cond_broadcast(&changed);
  known |= fault.what != NONE;
  pthread_mutex_unlock(&lock);
  return known;
}

static bool matches(const struct request *r, const char *kind) {
  if (strcmp(fault.kind, "any") && strcmp(fault.kind, kind)) return false;
  if (!fault.name[0]) return true;
  if (r->in->opcode == FUSE_LOOKUP) return !strcmp(fault.name, r->argument);
  return has_name(r->in->nodeid, fault.name);
}

/* Under the lock. Every waiting thread is in the list until it has its answer. */
static int wait_for_release(uint64_t unique) {
  struct wait own = {.unique = unique, .next = waits}, **at;
  waits = &own;
  waiting++;
  while (fault.what == HANG && !own.interrupted) pthread_cond_wait(&changed, &lock);
  for (at = &waits; *at != &own; at = &(*at)->next) continue;
  *at = own.next;
  waiting--;
  return own.interrupted ? EINTR : 0;
}

int fault_of(const struct request *r) {
  uint32_t opcode = r->in->opcode;
  int kind = opcode < sizeof kinds / sizeof *kinds ? kinds[opcode] : 0, error = 0;
  if (opcode == FUSE_GETATTR) kind = 1 + kind_of_getattr(r);
  if (!kind) return 0;
  pthread_mutex_lock(&lock);
  if (fault.what != NONE && matches(r, names[kind - 1]) && fault.after-- <= 0)
    error = fault.what == FAIL ? fault.error : wait_for_release(r->in->unique);
  pthread_mutex_unlock(&lock);
  return error;
}

bool interrupt_wait(uint64_t unique) {
  pthread_mutex_lock(&lock);
  struct wait *wait = waits;
  while (wait && wait->unique != unique) wait = wait->next;
  if (wait) wait->interrupted = true;
  pthread_cond_broadcast(&changed);
  bool none = fault.what == NONE;
  pthread_mutex_unlock(&lock);
  return wait || none;
}

int waiting_requests(void) {
  pthread_mutex_lock(&lock);
  int count = waiting;
  pthread_mutex_unlock(&lock);
  return count;
}
