# Makes a folder that nobody else can write to, for the code that call.csh waits for. Prints its name, or `none`.
# csh would split a name at blanks, so folders with such names are skipped.
umask 077
for folder in "${TMPDIR-}" /tmp /dev/shm /var/tmp "${XDG_RUNTIME_DIR-}" "${HOME-}"; do
  case $folder in
    *[!A-Za-z0-9/._+-]*) continue ;;
    /*) PATH=/usr/bin:/bin:${PATH-} mktemp -d "$folder/conda-stage-code.XXXXXXXX" 2> /dev/null && exit ;;
  esac
done
echo 'ERROR: conda-stage found no folder that it can write to. Tried: TMPDIR, /tmp, /dev/shm, /var/tmp, HOME.' >&2
echo none
