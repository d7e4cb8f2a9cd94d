
# The release in one file: scripts/release.ts puts these lines before the launcher's last one, and the packed program behind it.
# Each user unpacks that once. It is not removed by us: a shell may have loaded the function, which reads files of it.

bring_node='This file is for computers of the kind @ARCH@: get the one for this machine'

unset -f find id mkdir mktemp mv rm tail tar

# Sets $root to the unpacked program. Costs two look-ups, once it is there.
find_root() {
  find_self
  why=
  case ${XDG_CACHE_HOME-} in
    /*) unpacked "$XDG_CACHE_HOME" "$XDG_CACHE_HOME/conda-stage" && return ;;
  esac
  case ${HOME-} in
    /*) unpacked "$HOME" "$HOME/.cache/conda-stage" && return ;;
  esac
  own=/tmp/conda-stage-of-$(clean && id -u)
  (clean && mkdir -m 700 "$own" 2> /dev/null)
  if [ -L "$own" ]; then
    why="$why
  $own is a link"
  else
    unpacked "$own" "$own" && return
  fi
  say "ERROR: conda-stage can't unpack its program, which each user needs to do once:$why"
  say "Make room for 200 MB in your home folder, or set XDG_CACHE_HOME to a folder of yours where programs may run."
  say "If the file $self is damaged, get it again."
  give_up
}

# Whether the program can run from $2. $1 has to be ours, and so has the program: in a folder that a group may write to, somebody else
# could have put another one there.
unpacked() {
  if ! [ -O "$1" ]; then
    why="$why
  $1 is not a folder of this user"
    return 1
  fi
  root=$2/@NAME@
  [ -O "$root" ] && [ -x "$root/@NODE@" ] && return
  said=$(unpack "$2" 2>&1)
  [ -O "$root" ] && [ -x "$root/@NODE@" ] && return # not on a disk that is mounted noexec
  [ ! -e "$root" ] || [ -O "$root" ] || said="$root is not of this user"
  why="$why
  $2: ${said:-programs may not run there}"
  return 1
}

# Nobody sees half of it: the folder gets its name at the end. Whoever comes second finds the name taken, by the same files. An
# unpacking that was killed leaves 150 MB, which a later one removes; none takes an hour.
unpack() (
  clean
  umask 077
  aside=
  trap 'rm -rf -- "$aside"' EXIT
  trap 'exit 1' HUP INT TERM
  find "$1" -mindepth 1 -maxdepth 1 -name '.new.*' -mmin +60 -exec rm -rf -- {} + 2> /dev/null
  mkdir -p -- "$1" && aside=$(mktemp -d "$1/.new.XXXXXX") || exit
  tail -c +@OFFSET@ -- "$self" | tar -xzf - -C "$aside" || exit
  mv -T -- "$aside" "$1/@NAME@" 2> /dev/null
)

# What the session has set is not for the system's programs.
clean() {
  PATH=/usr/bin:/bin:${PATH-}
  unset LD_PRELOAD LD_LIBRARY_PATH TAR_OPTIONS GZIP TMPDIR
}

