#define _GNU_SOURCE
#include "cost.h"
#include "handlers.h"
#include "nodes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* The page cache outlives the descriptor: as on a network file system, a file that is opened again is read from memory. */
static void fill_open(struct fuse_open_out *out, uint64_t handle) {
  *out = (struct fuse_open_out){.fh = handle, .open_flags = FOPEN_KEEP_CACHE};
}

static bool forgets_at_open = true;

void set_forgetting(bool forgets) {
  forgets_at_open = forgets;
}

int do_open(struct request *r) {
  pay_latency(KIND_open);
  const struct fuse_open_in *in = r->argument;
  struct proc_path path = proc_path(r->fd);
  int fd = open(path.name, ((int)in->flags & ~(O_NOFOLLOW | O_CREAT | O_EXCL)) | O_CLOEXEC);
  if (fd < 0) return errno;
  fill_open(reply(r, sizeof(struct fuse_open_out)), (uint64_t)fd);
  count_open(r->in->nodeid, 1);
  r->forgets = forgets_at_open;
  return 0;
}

int do_create(struct request *r) {
  count(KIND_create);
  const struct fuse_create_in *in = r->argument;
  const char *name = (const char *)(in + 1);
  int fd = openat(r->fd, name, (int)in->flags | O_CREAT | O_CLOEXEC, in->mode);
  int error = reply_made(r, name, fd);
  if (error) {
    if (fd >= 0) close(fd);
    return error;
  }
  count_open(((struct fuse_entry_out *)r->reply)->nodeid, 1);
  fill_open((void *)((char *)r->reply + r->reply_length), (uint64_t)fd);
  r->reply_length += sizeof(struct fuse_open_out);
  return 0;
}

int do_read(struct request *r) {
  const struct fuse_read_in *in = r->argument;
  ssize_t length = pread((int)in->fh, r->reply, in->size, (off_t)in->offset);
  int error = length < 0 ? errno : 0;
  r->reply_length = error ? 0 : (size_t)length;
  pay_read(r->reply_length);
  return error;
}

int do_write(struct request *r) {
  const struct fuse_write_in *in = r->argument;
  ssize_t length = pwrite((int)in->fh, in + 1, in->size, (off_t)in->offset);
  if (length < 0) return errno;
  count_written((size_t)length);
  struct fuse_write_out *out = reply(r, sizeof *out);
  out->size = (uint32_t)length;
  return 0;
}

int do_fsync(struct request *r) {
  count(KIND_fsync);
  const struct fuse_fsync_in *in = r->argument;
  return result_of(in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync((int)in->fh) : fsync((int)in->fh));
}

/* What close(2) waits for. The release comes later, and nobody waits for it. */
int do_flush(struct request *r) {
  pay_latency(KIND_close);
  return 0;
}

int do_release(struct request *r) {
  count_open(r->in->nodeid, -1);
  return result_of(close((int)((const struct fuse_release_in *)r->argument)->fh));
}

int do_opendir(struct request *r) {
  pay_latency(KIND_opendir);
  int fd = openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (!folder) return errno;
  fill_open(reply(r, sizeof(struct fuse_open_out)), (uintptr_t)folder);
  return 0;
}

static bool tells_types = true;

void set_types(bool told) {
  tells_types = told;
}

int do_readdir(struct request *r) {
  count(KIND_readdir);
  const struct fuse_read_in *in = r->argument;
  DIR *folder = (DIR *)(uintptr_t)in->fh;
  seekdir(folder, (long)in->offset);
  r->reply_length = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    size_t name_length = strlen(entry->d_name), length = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name_length);
    if (r->reply_length + length > in->size) break;
    struct fuse_dirent *out = (void *)((char *)r->reply + r->reply_length);
    memset(out, 0, length);
    out->ino = entry->d_ino;
    out->off = (uint64_t)entry->d_off;
    out->namelen = (uint32_t)name_length;
    out->type = tells_types ? entry->d_type : DT_UNKNOWN;
    memcpy(out->name, entry->d_name, name_length);
    r->reply_length += length;
  }
  return 0;
}

int do_releasedir(struct request *r) {
  return result_of(closedir((DIR *)(uintptr_t)((const struct fuse_release_in *)r->argument)->fh));
}
