# Shell code comes back over a pipe on descriptor 8; meanwhile 9 holds the session's standard output.
# POSIX sh has no local variables, and its functions can't have a hyphen in their names.
__conda_stage() {
  # These become another program, whose standard streams are the session's.
  case "$*" in
    *--exec* | *--shell*)
      @LAUNCHER@ "$@"
      \return
      ;;
  esac
  case "${CONDA_STAGE-}" in
    false) \return 0 ;;
  esac
  # If standard output is closed, 9>&1 would fail.
  if \command [ -d /dev/fd ] && ! \command [ -e /dev/fd/1 ]; then
    __conda_stage "$@" > /dev/null
    \return
  fi
  {
    # The parent of the process that reads is this shell, which may be a subshell.
    \set -- "$({ IFS= \command read -r __conda_stage_pid < /proc/self/stat || \:; } 2> /dev/null
      __conda_stage_pid=${__conda_stage_pid-}; __conda_stage_pid=${__conda_stage_pid##*\) ? }
      __CONDA_STAGE_SHELL=sh __CONDA_STAGE_CODE=8 __CONDA_STAGE_FLAGS="$-" __CONDA_STAGE_PID="${__conda_stage_pid%% *}" \
      __CONDA_STAGE_PS1="${PS1+x$PS1}" \
      __CONDA_STAGE_HELD_LD_PRELOAD="${LD_PRELOAD+x$LD_PRELOAD}" LD_PRELOAD= \
      __CONDA_STAGE_HELD_LD_LIBRARY_PATH="${LD_LIBRARY_PATH+x$LD_LIBRARY_PATH}" LD_LIBRARY_PATH= \
      @LAUNCHER@ "$@" 8>&1 >&9 9>&-)"
  } 9>&1
  # The code is between two marks. No code at all means that the program could not start.
  case "$1" in
    *conda_stage_code*conda_stage_code*) ;;
    *) \return 1 ;;
  esac
  \set -- "${1#*conda_stage_code}"
  \eval "${1%conda_stage_code*}"
}
\command alias conda-stage=__conda_stage
