#define _GNU_SOURCE
#include "loopback.h"
#include "cost.h"
#include "faults.h"
#include "handlers.h"
#include "nodes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static uint64_t valid_s;
static uint32_t valid_ns;

void set_validity(double seconds) {
  valid_s = (uint64_t)seconds;
  valid_ns = (uint32_t)((seconds - (double)valid_s) * 1e9);
}

int result_of(int result) { return result < 0 ? errno : 0; }
static struct folder folder_of(const struct request *r) { return (struct folder){r->in->nodeid, r->fd}; }
static const char *after(const char *name) { return name + strlen(name) + 1; }

void *reply(struct request *r, size_t length) {
  r->reply_length = length;
  return memset(r->reply, 0, length);
}

struct proc_path proc_path(int fd) {
  struct proc_path path;
  snprintf(path.name, sizeof path.name, "/proc/self/fd/%d", fd);
  return path;
}

static void set_attributes(struct fuse_attr *attr, const struct stat *from) {
  *attr = (struct fuse_attr){
      .ino = from->st_ino, .size = (uint64_t)from->st_size, .blocks = (uint64_t)from->st_blocks,
      .atime = (uint64_t)from->st_atim.tv_sec, .atimensec = (uint32_t)from->st_atim.tv_nsec,
      .mtime = (uint64_t)from->st_mtim.tv_sec, .mtimensec = (uint32_t)from->st_mtim.tv_nsec,
      .ctime = (uint64_t)from->st_ctim.tv_sec, .ctimensec = (uint32_t)from->st_ctim.tv_nsec,
      .mode = from->st_mode, .nlink = (uint32_t)from->st_nlink, .uid = from->st_uid, .gid = from->st_gid,
      .rdev = (uint32_t)from->st_rdev, .blksize = (uint32_t)from->st_blksize,
  };
}

static int reply_attributes(struct request *r) {
  struct stat attributes;
  if (fstatat(r->fd, "", &attributes, AT_EMPTY_PATH) < 0) return errno;
  struct fuse_attr_out *out = reply(r, sizeof *out);
  out->attr_valid = valid_s;
  out->attr_valid_nsec = valid_ns;
  set_attributes(&out->attr, &attributes);
  return 0;
}

/* A failed look-up gets its error as the answer. The kernel does not keep it, so it asks for every miss again. */
static int reply_entry(struct request *r, const char *name) {
  struct stat attributes;
  uint64_t node;
  int error = look_up(folder_of(r), name, &attributes, &node);
  if (error) return error;
  struct fuse_entry_out *out = reply(r, sizeof *out);
  out->entry_valid = out->attr_valid = valid_s;
  out->entry_valid_nsec = out->attr_valid_nsec = valid_ns;
  set_attributes(&out->attr, &attributes);
  out->nodeid = node;
  return 0;
}

/* Without PARALLEL_DIROPS the kernel asks for one name of a folder at a time. No READDIRPLUS: the kernel uses it by
   guesses of its own, and counts would no longer be exact. */
static int do_init(struct request *r) {
  const struct fuse_init_in *in = r->argument;
  struct fuse_init_out *out = reply(r, sizeof *out);
  out->major = FUSE_KERNEL_VERSION;
  out->minor = 31;
  out->max_readahead = in->max_readahead;
  out->flags =
      in->flags & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES);
  out->max_background = 256;
  out->congestion_threshold = 192;
  out->max_write = MAX_IO;
  out->max_pages = (uint16_t)(MAX_IO / sysconf(_SC_PAGESIZE));
  out->time_gran = 1;
  return in->major == FUSE_KERNEL_VERSION ? 0 : EPROTO;
}

static int do_lookup(struct request *r) {
  pay_latency(KIND_lookup);
  return reply_entry(r, r->argument);
}

static int do_forget(struct request *r) {
  forget(r->in->nodeid, ((const struct fuse_forget_in *)r->argument)->nlookup);
  return NO_REPLY;
}

static int do_batch_forget(struct request *r) {
  const struct fuse_batch_forget_in *in = r->argument;
  const struct fuse_forget_one *one = (const void *)(in + 1);
  for (uint32_t i = 0; i < in->count; i++) forget(one[i].nodeid, one[i].nlookup);
  return NO_REPLY;
}

/* EAGAIN: the kernel asks again, until the request waits or has its answer. */
static int do_interrupt(struct request *r) {
  return interrupt_wait(((const struct fuse_interrupt_in *)r->argument)->unique) ? NO_REPLY : EAGAIN;
}

/* The kernel names the handle only when it asks on behalf of a read; an fstat looks like any other getattr. */
enum kind kind_of_getattr(const struct request *r) {
  const struct fuse_getattr_in *in = r->argument;
  if (in->getattr_flags & FUSE_GETATTR_FH) return KIND_revalidate;
  return is_open(r->in->nodeid) ? KIND_fstat : KIND_getattr;
}

static int do_getattr(struct request *r) {
  enum kind kind = kind_of_getattr(r);
  if (kind == KIND_revalidate) count(kind);
  else pay_latency(kind);
  return reply_attributes(r);
}

static struct timespec time_to_set(uint32_t set, uint32_t set_now, uint64_t seconds, uint32_t ns) {
  if (set_now) return (struct timespec){.tv_nsec = UTIME_NOW};
  if (!set) return (struct timespec){.tv_nsec = UTIME_OMIT};
  return (struct timespec){(time_t)seconds, ns};
}

static int do_setattr(struct request *r) {
  count(KIND_setattr);
  const struct fuse_setattr_in *in = r->argument;
  uint32_t set = in->valid;
  int fd = r->fd;
  struct proc_path path = proc_path(fd);
  if (set & FATTR_MODE && chmod(path.name, in->mode) < 0) return errno;
  uid_t uid = set & FATTR_UID ? in->uid : (uid_t)-1;
  gid_t gid = set & FATTR_GID ? in->gid : (gid_t)-1;
  if (set & (FATTR_UID | FATTR_GID) && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0) return errno;
  off_t size = (off_t)in->size;
  if (set & FATTR_SIZE && (set & FATTR_FH ? ftruncate((int)in->fh, size) : truncate(path.name, size)) < 0) return errno;
  struct timespec times[] = {
      time_to_set(set & FATTR_ATIME, set & FATTR_ATIME_NOW, in->atime, in->atimensec),
      time_to_set(set & FATTR_MTIME, set & FATTR_MTIME_NOW, in->mtime, in->mtimensec),
  };
  if (utimensat(fd, "", times, AT_EMPTY_PATH) < 0) return errno;
  return reply_attributes(r);
}

static int do_readlink(struct request *r) {
  count(KIND_readlink);
  ssize_t length = readlinkat(r->fd, "", r->reply, MAX_IO);
  r->reply_length = length < 0 ? 0 : (size_t)length;
  return length < 0 ? errno : 0;
}

/* What root's server creates for another user belongs to that user, as if there were no server in between. */
static int give_to_caller(struct request *r, const char *name) {
  struct stat folder;
  if (geteuid() != 0 || r->in->uid == 0) return 0;
  if (fstatat(r->fd, "", &folder, AT_EMPTY_PATH) < 0) return errno;
  gid_t gid = folder.st_mode & S_ISGID ? (gid_t)-1 : r->in->gid;
  return result_of(fchownat(r->fd, name, r->in->uid, gid, AT_SYMLINK_NOFOLLOW));
}

int reply_made(struct request *r, const char *name, int made) {
  int error = made < 0 ? errno : give_to_caller(r, name);
  return error ? error : reply_entry(r, name);
}

static int do_mkdir(struct request *r) {
  count(KIND_mkdir);
  const struct fuse_mkdir_in *in = r->argument;
  const char *name = (const char *)(in + 1);
  return reply_made(r, name, mkdirat(r->fd, name, in->mode));
}

static int do_mknod(struct request *r) {
  count(KIND_mknod);
  const struct fuse_mknod_in *in = r->argument;
  const char *name = (const char *)(in + 1);
  return reply_made(r, name, mknodat(r->fd, name, in->mode, in->rdev));
}

static int do_symlink(struct request *r) {
  count(KIND_symlink);
  const char *name = r->argument;
  return reply_made(r, name, symlinkat(after(name), r->fd, name));
}

static int do_link(struct request *r) {
  count(KIND_link);
  const struct fuse_link_in *in = r->argument;
  const char *name = (const char *)(in + 1);
  int old = hold(in->oldnodeid);
  if (old < 0) return errno;
  struct proc_path path = proc_path(old);
  int error = result_of(linkat(AT_FDCWD, path.name, r->fd, name, AT_SYMLINK_FOLLOW));
  let_go(in->oldnodeid, old);
  return error ? error : reply_entry(r, name);
}

static int do_unlink(struct request *r) {
  count(KIND_unlink);
  return take_away(folder_of(r), r->argument, 0);
}

static int do_rmdir(struct request *r) {
  count(KIND_rmdir);
  return take_away(folder_of(r), r->argument, AT_REMOVEDIR);
}

static int rename_to(struct request *r, uint64_t node, const char *name, uint32_t flags) {
  count(KIND_rename);
  struct folder to = {node, hold(node)};
  if (to.fd < 0) return errno;
  int error = move(folder_of(r), name, to, after(name), flags);
  let_go(node, to.fd);
  return error;
}

static int do_rename(struct request *r) {
  const struct fuse_rename_in *in = r->argument;
  return rename_to(r, in->newdir, (const char *)(in + 1), 0);
}

static int do_rename2(struct request *r) {
  const struct fuse_rename2_in *in = r->argument;
  return rename_to(r, in->newdir, (const char *)(in + 1), in->flags);
}

static int do_statfs(struct request *r) {
  count(KIND_statfs);
  struct statvfs space;
  if (fstatvfs(r->fd, &space) < 0) return errno;
  struct fuse_statfs_out *out = reply(r, sizeof *out);
  out->st = (struct fuse_kstatfs){
      .blocks = space.f_blocks, .bfree = space.f_bfree, .bavail = space.f_bavail, .files = space.f_files,
      .ffree = space.f_ffree, .bsize = (uint32_t)space.f_bsize, .frsize = (uint32_t)space.f_frsize,
      .namelen = (uint32_t)space.f_namemax,
  };
  return 0;
}

typedef int (*const handler)(struct request *);

/* Extended attributes and locks get ENOSYS once; from then on the kernel handles them by itself. */
static handler on_nodes[] = {
    [FUSE_LOOKUP] = do_lookup, [FUSE_GETATTR] = do_getattr, [FUSE_SETATTR] = do_setattr,
    [FUSE_READLINK] = do_readlink, [FUSE_SYMLINK] = do_symlink, [FUSE_MKNOD] = do_mknod, [FUSE_MKDIR] = do_mkdir,
    [FUSE_UNLINK] = do_unlink, [FUSE_RMDIR] = do_rmdir, [FUSE_RENAME] = do_rename, [FUSE_RENAME2] = do_rename2,
    [FUSE_LINK] = do_link, [FUSE_OPEN] = do_open, [FUSE_CREATE] = do_create, [FUSE_OPENDIR] = do_opendir,
    [FUSE_STATFS] = do_statfs,
};
static handler on_handles[] = {
    [FUSE_INIT] = do_init, [FUSE_FORGET] = do_forget, [FUSE_BATCH_FORGET] = do_batch_forget,
    [FUSE_INTERRUPT] = do_interrupt, [FUSE_READ] = do_read, [FUSE_WRITE] = do_write, [FUSE_FSYNC] = do_fsync, [FUSE_FLUSH] = do_flush,
    [FUSE_RELEASE] = do_release, [FUSE_READDIR] = do_readdir, [FUSE_RELEASEDIR] = do_releasedir,
};
#define FIND(handlers, opcode) ((opcode) < sizeof handlers / sizeof *handlers ? handlers[opcode] : NULL)

int answer(struct request *r) {
  uint32_t opcode = r->in->opcode;
  r->reply_length = 0;
  r->forgets = false;
  if (FIND(on_handles, opcode)) return on_handles[opcode](r);
  if (!FIND(on_nodes, opcode)) return ENOSYS;
  r->fd = hold(r->in->nodeid);
  if (r->fd < 0) return errno;
  int error = on_nodes[opcode](r);
  let_go(r->in->nodeid, r->fd);
  return error;
}
