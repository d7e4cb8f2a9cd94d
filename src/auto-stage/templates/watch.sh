# Waits until processes have ended, then calls the launcher to remove the stage if it is still there.
# LAUNCHER PREFIX MARKER [PID START]...
# With an empty LAUNCHER it removes nothing: it only holds the lock meanwhile.
# The start time (in ticks) distinguishes a process from a later one with the same number.
is_alive() {
  { IFS= read -r line < "/proc/$1/stat"; } 2> /dev/null || return
  started=$2
  set -- ${line##*) }
  case $1 in
    Z | X) return 1 ;; # it has ended, but its parent has not waited for it yet
  esac
  [ "${20}" = "$started" ]
}

# The end of the session may signal everything that belongs to it.
trap '' HUP INT QUIT TERM
# Close the descriptors that the session itself has open, such as those of locks. dash can't name those above 9.
for fd in /proc/$$/fd/*; do
  case ${BASH_VERSION:+bash}${fd##*/} in
    [0-2] | bash[0-2] | bash255) ;;
    [3-9]) eval "exec ${fd##*/}>&-" ;;
    bash*) eval "exec ${fd##*/}>&-" ;;
  esac
done
launcher=$1 prefix=$2 marker=$3
shift 3
# systemd-tmpfiles, which removes old files from /tmp, leaves a folder alone on which somebody holds a lock (flock), with all
# that is in it. Where there is no such program, nothing is lost but that.
stage=${marker%/.leases/*}
if [ -z "$launcher" ]; then
  # One is enough for all that waits for the same process: a script may ask for the path a thousand times.
  command -v flock > /dev/null || exit 0
  exec 8> "$stage/.guard-$1" && flock --nonblock 8 || exit 0
  marker=$stage/stage.json
fi
if [ -d "$stage" ] && command -v flock > /dev/null && exec 9< "$stage"; then
  flock --shared --nonblock 9 2> /dev/null || :
fi
while [ $# -gt 0 ]; do
  while is_alive "$1" "$2"; do
    [ -e "$marker" ] || exit 0
    sleep 1
  done
  shift 2
done
[ -z "$launcher" ] || [ ! -e "$marker" ] || exec "$launcher" --leave --prefix="$prefix" --quiet
