# Shows a copy at the original's own path, to one command and to all that it starts.
#   show KIND SOURCE TARGET TOKEN SERVER STRICT UID GID COMMAND...
#   also TARGET OTHER COMMAND...
#   enter COMMAND...
# `show` runs in a user and a mount namespace of its own, as root of those (`unshare -Urm`). The command must be neither that root
# nor able to mount, so it gets one more user namespace, in which the user has the old number: there it is `unshare -U sh THIS enter`
# and so on. util-linux can do all that in one namespace (--map-current-user --keep-caps), but only from 2.35 on, and RHEL 8 has
# 2.32. Without UID it is the real root, in a mount namespace only.
# The process stays the same one all the way, so the command has its number, its parent, its signals and its descriptors. No
# variable is set here, because the command would get it in place of one that the session exports.

# The session's PATH may begin with the environment.
run() {
  PATH=/usr/bin:/bin:/usr/sbin:/sbin LD_PRELOAD='' LD_LIBRARY_PATH='' "$@"
}

# The server of an image must not keep what our caller has open, such as locks. dash can't name descriptors above 9.
close_descriptors() {
  for fd in 3 4 5 6 7 8 9; do
    eval "exec $fd>&-"
  done
}

# The server mounts in a namespace beside this one, to which mounts spread, and where nothing of it stays. So only our processes
# keep the mount. When the last of them is gone, the kernel removes it, and the server ends by itself. The token tells others whose
# mount it is.
show_image() {
  run mount --make-rshared / || return
  (
    close_descriptors
    run unshare -m --propagation=unchanged sh -c '
      "$4" -o "ro,nosuid,nodev,fsname=$3,subtype=squashfuse_ll" "$1" "$2" && mount --make-rprivate / && umount "$2"' sh "$@"
  )
}

show() {
  case $1 in
    bind) run mount --bind -- "$2" "$3" ;;
    image) shift && show_image "$@" ;;
  esac
}

# From outside, because nobody can write these from inside of a namespace in which they have no number yet.
map_user() {
  while [ "/proc/$1/ns/user" -ef /proc/self/ns/user ]; do :; done
  { echo "$3 0 1" > "/proc/$1/gid_map" && echo "$2 0 1" > "/proc/$1/uid_map"; } 2> /dev/null && return
  # It would wait for its number for ever.
  echo "ERROR: unshare made a namespace in which user $2 can't have a number. The command was not run" >&2
  kill -KILL "$1"
}

case $1 in
  show)
    if show "$2" "$3" "$4" "$5" "$6"; then :; elif [ "$7" = strict ]; then
      echo "ERROR: The copy $3 can't be shown at $4: the mount failed. The command was not run" >&2
      exit 1
    else
      echo "WARNING: The copy $3 can't be shown at $4: the mount failed. The command runs from the original" >&2
    fi
    # In a subshell of its own, so that the command has no child that it does not know.
    [ -z "$8" ] || (map_user $$ "$8" "$9" < /dev/null > /dev/null &)
    shift 9
    ;;
  also)
    run mount --bind -- "$2" "$3" ||
      echo "WARNING: $3 is another path of $2, and can't show the copy: programs that use this path see the original" >&2
    shift 3
    ;;
  enter)
    shift
    until read -r _ < /proc/self/uid_map; do :; done
    ;;
esac
# A process that was in the original's folder is still there, below the copy.
[ . -ef "$PWD" ] || cd "$PWD" 2> /dev/null || :
exec "$@"
