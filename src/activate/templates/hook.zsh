# Shell code comes back over a pipe on descriptor 8; meanwhile 9 holds the session's standard output.
# The function has no variables of its own. It calls builtins explicitly, whatever functions the session has.
# The session's options stay, because the scripts of activate.d run in here.
function conda-stage {
  # These become another program, whose standard streams are the session's.
  if [[ "$*" == *--exec* || "$*" == *--shell* ]]; then
    @LAUNCHER@ "$@"
    \builtin return
  fi
  if [[ "${CONDA_STAGE-}" == false ]]; then
    \builtin return 0
  fi
  # If standard output is closed, 9>&1 would fail.
  if [[ -d /dev/fd && ! -e /dev/fd/1 ]]; then
    conda-stage "$@" > /dev/null
    \builtin return
  fi
  # `!`: otherwise a ZERR trap would run here as well as for the failure that the function returns.
  {
    # The parent of the process that reads is this shell, which may be a subshell.
    \builtin set -- "$(\builtin typeset __conda_stage_pid=
      { IFS= \builtin read -r __conda_stage_pid < /proc/self/stat || \builtin :; } 2> /dev/null
      __conda_stage_pid=${__conda_stage_pid##*\) ? }
      ! __CONDA_STAGE_SHELL=zsh __CONDA_STAGE_CODE=8 __CONDA_STAGE_FLAGS="$-" __CONDA_STAGE_PID="${__conda_stage_pid%% *}" \
      __CONDA_STAGE_PS1="${PS1+x$PS1}" \
      __CONDA_STAGE_HELD_LD_PRELOAD="${LD_PRELOAD+x$LD_PRELOAD}" LD_PRELOAD= \
      __CONDA_STAGE_HELD_LD_LIBRARY_PATH="${LD_LIBRARY_PATH+x$LD_LIBRARY_PATH}" LD_LIBRARY_PATH= \
      @LAUNCHER@ "$@" 8>&1 >&9 9>&-)"
  } 9>&1
  # The code is between two marks. No code at all means that the program could not start.
  case "$1" in
    *conda_stage_code*conda_stage_code*) ;;
    *) \builtin return 1 ;;
  esac
  \builtin set -- "${1#*conda_stage_code}"
  \builtin eval "${1%conda_stage_code*}"
}
