# Makes a folder that nobody else can write to, for the code that call.csh waits for, and prints its name, or `none`.
# csh would cut a name at blanks, so folders with such names are passed by.
umask 077
for folder in "${TMPDIR-}" /tmp /dev/shm /var/tmp "${XDG_RUNTIME_DIR-}" "${HOME-}"; do
  case $folder in
    *[!A-Za-z0-9/._+-]*) continue ;;
    /*) PATH=/usr/bin:/bin:${PATH-} mktemp -d "$folder/conda-stage-code.XXXXXXXX" 2> /dev/null && exit ;;
  esac
done
echo 'ERROR: conda-stage found no folder to write to (TMPDIR, /tmp, /dev/shm, /var/tmp, HOME).' >&2
echo none
