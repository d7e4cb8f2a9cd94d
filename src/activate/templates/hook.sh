# Shell code comes back over a pipe on descriptor 8, the session's own standard output is kept on 9 meanwhile.
# There are no local variables in POSIX sh, nor can a function have a hyphen in its name.
__conda_stage() {
  case "${CONDA_STAGE-}" in
    false) \return 0 ;;
  esac
  # Standard output is closed: 9>&1 would fail.
  if \command [ -d /dev/fd ] && ! \command [ -e /dev/fd/1 ]; then
    __conda_stage "$@" > /dev/null
    \return
  fi
  {
    \set -- "$(__CONDA_STAGE_SHELL=sh __CONDA_STAGE_CODE=8 __CONDA_STAGE_FLAGS="$-" \
      __CONDA_STAGE_PS1="${PS1+x$PS1}" \
      __CONDA_STAGE_HELD_LD_PRELOAD="${LD_PRELOAD+x$LD_PRELOAD}" LD_PRELOAD= \
      __CONDA_STAGE_HELD_LD_LIBRARY_PATH="${LD_LIBRARY_PATH+x$LD_LIBRARY_PATH}" LD_LIBRARY_PATH= \
      @LAUNCHER@ "$@" 8>&1 >&9 9>&-)"
  } 9>&1
  # The code stands between two marks; nothing at all means that the program could not start.
  case "$1" in
    *conda_stage_code*conda_stage_code*) ;;
    *) \return 1 ;;
  esac
  \set -- "${1#*conda_stage_code}"
  \eval "${1%conda_stage_code*}"
}
\command alias conda-stage=__conda_stage
