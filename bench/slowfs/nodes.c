#define _GNU_SOURCE
#include "nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A node is found by its last looked-up name; all names of a hard link share one. One whose name was taken away
   has a descriptor instead: the file may still be open. (dev, ino) names a node; a number that the system uses again, for
   another file, is the same node with other attributes. The node's address is its number for the kernel. */
struct node {
  dev_t dev;
  ino_t ino;
  struct node *parent; /* NULL: without a name */
  char *name;
  int fd; /* -1: to be found by name */
  int handles; /* open ones */
  uint64_t references; /* the kernel's look-ups, nodes that are found through this one, requests under way */
};

static struct node root;
static void *nodes;
/* Also held while a path is followed: no folder on it may be moved meanwhile. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int open_root(const char *path) {
  root.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return root.fd < 0 ? -1 : 0;
}

static struct node *node_of(uint64_t number) { return number == 1 ? &root : (struct node *)(uintptr_t)number; }

static int by_inode(const void *left, const void *right) {
  const struct node *a = left, *b = right;
  if (a->dev != b->dev) return a->dev < b->dev ? -1 : 1;
  return a->ino < b->ino ? -1 : a->ino > b->ino;
}

static struct node *known(const struct stat *attributes) {
  struct node key = {.dev = attributes->st_dev, .ino = attributes->st_ino}, **found = tfind(&key, &nodes, by_inode);
  return found ? *found : NULL;
}

static void release(struct node *node, uint64_t references);

/* Name and descriptor are two ways to the same file: a new one replaces both. */
static void set_way(struct node *node, struct node *parent, const char *name, int fd) {
  struct node *old_parent = node->parent;
  char *old_name = node->name;
  if (node->fd >= 0) close(node->fd);
  node->fd = fd;
  node->parent = parent;
  node->name = name ? strdup(name) : NULL;
  if (name && !node->name) abort();
  if (parent) parent->references++;
  if (old_parent) release(old_parent, 1);
  free(old_name);
}

static void release(struct node *node, uint64_t references) {
  if (node == &root || (node->references -= references) > 0) return;
  tdelete(node, &nodes, by_inode);
  set_way(node, NULL, NULL, -1);
  free(node);
}

/* Starts from the nearest node with a descriptor, at the latest from the root. */
static int follow(const struct node *node) {
  char path[PATH_MAX], *start = path + sizeof path - 1;
  if (node == &root || node->fd >= 0) return fcntl(node->fd, F_DUPFD_CLOEXEC, 0);
  *start = '\0';
  for (; node != &root && node->fd < 0; node = node->parent) {
    size_t length = node->name ? strlen(node->name) : sizeof path;
    if (length + 1 > (size_t)(start - path)) {
      errno = node->name ? ENAMETOOLONG : ESTALE;
      return -1;
    }
    if (*start) *--start = '/';
    start -= length;
    memcpy(start, node->name, length);
  }
  return openat(node->fd, start, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Another file may have taken the name meanwhile. */
static int follow_and_check(const struct node *node) {
  struct stat found;
  int fd = follow(node);
  if (node == &root) return fd;
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) errno = ESTALE;
  } else if (fstat(fd, &found) < 0 || found.st_dev != node->dev || found.st_ino != node->ino) {
    close(fd);
    errno = ESTALE;
    return -1;
  }
  return fd;
}

int hold(uint64_t number) {
  struct node *node = node_of(number);
  pthread_mutex_lock(&lock);
  int fd = follow_and_check(node);
  if (fd >= 0) node->references++;
  pthread_mutex_unlock(&lock);
  return fd;
}

void let_go(uint64_t number, int fd) {
  close(fd);
  forget(number, 1);
}

void forget(uint64_t number, uint64_t lookups) {
  pthread_mutex_lock(&lock);
  release(node_of(number), lookups);
  pthread_mutex_unlock(&lock);
}

void count_open(uint64_t number, int more) {
  pthread_mutex_lock(&lock);
  node_of(number)->handles += more;
  pthread_mutex_unlock(&lock);
}

bool is_open(uint64_t number) {
  pthread_mutex_lock(&lock);
  bool open = node_of(number)->handles > 0;
  pthread_mutex_unlock(&lock);
  return open;
}

bool has_name(uint64_t number, const char *name) {
  const struct node *node = node_of(number);
  pthread_mutex_lock(&lock);
  bool same = node != &root && node->name && !strcmp(node->name, name);
  pthread_mutex_unlock(&lock);
  return same;
}

static struct node *refer_to(struct folder in, const char *name, const struct stat *attributes) {
  struct node *node = known(attributes);
  if (!node) {
    node = malloc(sizeof *node);
    if (!node) abort();
    *node = (struct node){.dev = attributes->st_dev, .ino = attributes->st_ino, .fd = -1};
    tsearch(node, &nodes, by_inode);
  }
  node->references++;
  set_way(node, node_of(in.node), name, -1);
  return node;
}

int look_up(struct folder in, const char *name, struct stat *attributes, uint64_t *number) {
  pthread_mutex_lock(&lock);
  int error = fstatat(in.fd, name, attributes, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0;
  if (!error) *number = (uintptr_t)refer_to(in, name, attributes);
  pthread_mutex_unlock(&lock);
  return error;
}

/* The node of a name in a folder, and a descriptor of it; NULL if the kernel does not know it. Without a descriptor
   left to open, the node is lost when its name is. */
static struct node *at(struct folder in, const char *name, int *fd) {
  struct stat attributes;
  struct node *node = fstatat(in.fd, name, &attributes, AT_SYMLINK_NOFOLLOW) < 0 ? NULL : known(&attributes);
  *fd = node ? openat(in.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
  return node;
}

int take_away(struct folder from, const char *name, int flags) {
  int fd;
  pthread_mutex_lock(&lock);
  struct node *node = at(from, name, &fd);
  int error = unlinkat(from.fd, name, flags) < 0 ? errno : 0;
  if (!error && node) set_way(node, NULL, NULL, fd);
  else if (fd >= 0) close(fd);
  pthread_mutex_unlock(&lock);
  return error;
}

int move(struct folder from, const char *name, struct folder to, const char *new_name, uint32_t flags) {
  int moved_fd, covered_fd;
  pthread_mutex_lock(&lock);
  struct node *moved = at(from, name, &moved_fd), *covered = at(to, new_name, &covered_fd);
  int error = renameat2(from.fd, name, to.fd, new_name, flags) < 0 ? errno : 0;
  if (!error && covered) {
    if (flags & RENAME_EXCHANGE) set_way(covered, node_of(from.node), name, -1);
    else {
      set_way(covered, NULL, NULL, covered_fd);
      covered_fd = -1;
    }
  }
  if (!error && moved) set_way(moved, node_of(to.node), new_name, -1);
  if (moved_fd >= 0) close(moved_fd);
  if (covered_fd >= 0) close(covered_fd);
  pthread_mutex_unlock(&lock);
  return error;
}
