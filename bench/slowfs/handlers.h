/* What loopback.c and files.c share. A handler fills in the reply and returns 0, or an errno. */
#pragma once
#include "loopback.h"

int result_of(int result); /* of a system call that was just made */
void *reply(struct request *r, size_t length); /* zeroed */

/* Whatever an O_PATH descriptor can't do itself goes through its name in /proc, which takes no privileges. */
struct proc_path { char name[32]; };
struct proc_path proc_path(int fd);

/* Replies with the entry that a system call made, unless the call failed. */
int reply_made(struct request *r, const char *name, int made);

/* Open files and folders. */
int do_open(struct request *r);
int do_create(struct request *r);
int do_read(struct request *r);
int do_write(struct request *r);
int do_fsync(struct request *r);
int do_flush(struct request *r);
int do_release(struct request *r);
int do_opendir(struct request *r);
int do_readdir(struct request *r);
int do_releasedir(struct request *r);
