#define _GNU_SOURCE
#include "mount.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int mount_as_root(const char *mount_point) {
  int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) {
    perror("/dev/fuse");
    return -1;
  }
  char options[128];
  static const char format[] = "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other";
  snprintf(options, sizeof options, format, device);
  if (mount("slowfs", mount_point, "fuse.slowfs", MS_NOSUID | MS_NODEV, options) == 0) return device;
  perror(mount_point);
  close(device);
  return -1;
}

static int receive_descriptor(int socket) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  int descriptor = -1;
  if (header && header->cmsg_type == SCM_RIGHTS) memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return descriptor;
}

/* fusermount3 is set-uid root: it mounts, and sends the descriptor over the socket named in the environment. */
static int mount_as_user(const char *mount_point) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0) return -1;
  pid_t child = fork();
  if (child == 0) {
    char number[16];
    snprintf(number, sizeof number, "%d", sockets[0]);
    setenv("_FUSE_COMMFD", number, 1);
    close(sockets[1]);
    execlp("fusermount3", "fusermount3", "-o",
           "fsname=slowfs,subtype=slowfs,default_permissions", "--", mount_point, NULL);
    perror("fusermount3 (Debian package fuse3)");
    _exit(1);
  }
  close(sockets[0]);
  int device = child < 0 ? -1 : receive_descriptor(sockets[1]);
  waitpid(child, NULL, 0);
  close(sockets[1]);
  return device;
}

int mount_fuse(const char *mount_point) {
  return geteuid() == 0 ? mount_as_root(mount_point) : mount_as_user(mount_point);
}

void unmount_fuse(const char *mount_point) {
  if (geteuid() == 0) {
    umount2(mount_point, MNT_DETACH);
    return;
  }
  pid_t child = fork();
  if (child == 0) {
    execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", mount_point, NULL);
    _exit(1);
  }
  waitpid(child, NULL, 0);
}
