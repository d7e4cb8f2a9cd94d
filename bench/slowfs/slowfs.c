/* slowfs [--latency-ms=2] [--fstat-ms=2] [--close-ms=2] [--bandwidth-mb=200] [--valid-s=0.5] SOURCE MOUNTPOINT
   Stays in the foreground. Reads "counters", "reset" and the words of faults.h from standard input, a line each, and answers
   each with the counters as a line of JSON. Unmounts at the end of standard input: a mount never outlives who asked for it. */
#define _GNU_SOURCE
#include "cost.h"
#include "faults.h"
#include "loopback.h"
#include "mount.h"
#include "nodes.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

/* Each request in flight sleeps in a thread of its own; beyond this number they wait for one another. */
#define THREADS 512

static int device;

static void end(void) { kill(getpid(), SIGTERM); }

static void *obey(void *none) {
  char line[512];
  while (fgets(line, sizeof line, stdin)) {
    if (!strcmp(line, "reset\n")) reset_counters();
    else if (strcmp(line, "counters\n") && !set_fault(line)) fprintf(stderr, "slowfs: unknown word: %s", line);
    print_counters(stdout, waiting_requests());
  }
  end();
  return none;
}

/* Offset -1: the attributes alone, not the contents. */
static void forget_attributes(uint64_t node) {
  struct fuse_notify_inval_inode_out inode = {.ino = node, .off = -1};
  struct fuse_out_header header = {.error = FUSE_NOTIFY_INVAL_INODE, .len = sizeof header + sizeof inode};
  struct iovec parts[] = {{&header, sizeof header}, {&inode, sizeof inode}};
  /* ENOENT: the kernel has forgotten the file by itself. */
  if (writev(device, parts, 2) < 0 && errno != ENOENT && errno != ENODEV) perror("slowfs: forget");
}

static void send_reply(const struct request *request, int error) {
  struct fuse_out_header header = {.unique = request->in->unique, .error = -error, .len = sizeof header};
  struct iovec parts[] = {{&header, sizeof header}, {request->reply, error ? 0 : request->reply_length}};
  header.len += (uint32_t)parts[1].iov_len;
  /* ENOENT: the caller was killed while it waited. */
  if (writev(device, parts, 2) < 0 && errno != ENOENT && errno != ENODEV) perror("slowfs: reply");
}

/* Runs until the file system is unmounted. */
static void *serve(void *none) {
  const size_t room = MAX_IO + 4096; /* the kernel wants a page for the headers; pages not touched cost nothing */
  char *in = malloc(room), *out = malloc(room);
  if (!in || !out) abort();
  for (;;) {
    ssize_t length = read(device, in, room);
    if (length < 0 && errno == ENODEV) break;
    if (length < (ssize_t)sizeof(struct fuse_in_header)) continue;
    struct request request = {.in = (void *)in, .argument = in + sizeof(struct fuse_in_header), .reply = out};
    int error = fault_of(&request);
    if (!error) error = answer(&request);
    if (!error && request.forgets) forget_attributes(request.in->nodeid);
    if (error != NO_REPLY) send_reply(&request, error);
  }
  end();
  return none;
}

static void start(void *(*work)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, NULL) != 0) {
    fputs("slowfs: no more threads\n", stderr);
    exit(1);
  }
}

/* For open files, and for the nodes of requests under way. */
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(const char *source, const char *mount_point) {
  sigset_t ending;
  int signal;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &ending, NULL);
  if (open_root(source) < 0) {
    perror(source);
    return 1;
  }
  device = mount_fuse(mount_point);
  if (device < 0) return 1;
  for (int i = 0; i < THREADS; i++) start(serve);
  start(obey);
  sigwait(&ending, &signal);
  unmount_fuse(mount_point);
  return 0;
}

int main(int argc, char **argv) {
  struct costs costs = {.latency_ms = 2, .fstat_ms = -1, .close_ms = -1, .bandwidth_mb = 200};
  double valid_s = 0.5;
  static const struct option known[] = {
      {"latency-ms", 1, NULL, 'l'}, {"fstat-ms", 1, NULL, 'f'}, {"close-ms", 1, NULL, 'c'}, {"bandwidth-mb", 1, NULL, 'b'}, {"valid-s", 1, NULL, 'v'},
      {"keep-attributes", 0, NULL, 'k'}, {"no-types", 0, NULL, 't'}, {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (option == 'l') costs.latency_ms = atof(optarg);
    else if (option == 'f') costs.fstat_ms = atof(optarg);
    else if (option == 'c') costs.close_ms = atof(optarg);
    else if (option == 'b') costs.bandwidth_mb = atof(optarg);
    else if (option == 'v') valid_s = atof(optarg);
    else if (option == 'k') set_forgetting(false);
    else if (option == 't') set_types(false);
    else return 2;
  }
  if (argc - optind != 2) {
    fputs("usage: slowfs [--latency-ms=N] [--fstat-ms=N] [--close-ms=N] [--bandwidth-mb=N] [--valid-s=N] [--keep-attributes]"
          " [--no-types] SOURCE MOUNTPOINT\n", stderr);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  umask(0);
  raise_descriptor_limit();
  if (costs.fstat_ms < 0) costs.fstat_ms = costs.latency_ms;
  if (costs.close_ms < 0) costs.close_ms = costs.latency_ms;
  set_costs(costs);
  set_validity(valid_s);
  reset_counters();
  _exit(run(argv[optind], argv[optind + 1])); /* does not wait for threads: some sleep in a request */
}
