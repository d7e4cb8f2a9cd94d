/* The inodes that the kernel knows of. No descriptor is held for them, so there may be more than a process may open. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Opens the folder that is node 1. Done before anything is mounted, so that the mount may cover the folder itself.
   0, or -1 and errno. */
int open_root(const char *path);

/* An O_PATH descriptor of a node, which is known until let_go; or -1 and errno, ESTALE if the node is not to be found
   (the kernel then looks its name up again). */
int hold(uint64_t node);
void let_go(uint64_t node, int fd);

/* The functions below act on names in a folder, given by both number and descriptor, and return 0 or an errno. */
struct folder {
  uint64_t node;
  int fd;
};

/* Counts one look-up of the node that the name stands for. */
int look_up(struct folder in, const char *name, struct stat *attributes, uint64_t *node);
int take_away(struct folder from, const char *name, int unlinkat_flags);
int move(struct folder from, const char *name, struct folder to, const char *new_name, uint32_t renameat2_flags);

void forget(uint64_t node, uint64_t lookups);

/* How many handles of the node are open. */
void count_open(uint64_t node, int more);
bool is_open(uint64_t node);

/* Whether this is the node's last name. The root has none. */
bool has_name(uint64_t node, const char *name);
