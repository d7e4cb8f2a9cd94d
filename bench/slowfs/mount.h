/* Mounting as root by the system call, as an ordinary user by fusermount3. Both say on stderr what went wrong. */
#pragma once

int mount_fuse(const char *mount_point); /* the descriptor that requests are read from, or -1 */
void unmount_fuse(const char *mount_point); /* from the name space at once, even if somebody still uses it */
