# Shell code comes back over a pipe on descriptor 8, the session's own standard output is kept on 9 meanwhile.
# The function has no variables of its own, and calls builtins as such, whatever functions the session has.
function __conda_stage {
  if [[ ${CONDA_STAGE-} == false ]]; then
    \builtin return 0
  fi
  # Standard output is closed: 9>&1 would fail.
  if [[ -d /dev/fd && ! -e /dev/fd/1 ]]; then
    __conda_stage "$@" > /dev/null
    \builtin return
  fi
  {
    \builtin set -- "$(__CONDA_STAGE_SHELL=bash __CONDA_STAGE_CODE=8 __CONDA_STAGE_FLAGS="$-" \
      __CONDA_STAGE_PS1="${PS1+x$PS1}" \
      __CONDA_STAGE_HELD_LD_PRELOAD="${LD_PRELOAD+x$LD_PRELOAD}" LD_PRELOAD= \
      __CONDA_STAGE_HELD_LD_LIBRARY_PATH="${LD_LIBRARY_PATH+x$LD_LIBRARY_PATH}" LD_LIBRARY_PATH= \
      @LAUNCHER@ "$@" 8>&1 >&9 9>&-)"
  } 9>&1
  # The code stands between two marks; nothing at all means that the program could not start.
  case "$1" in
    *conda_stage_code*conda_stage_code*) ;;
    *) \builtin return 1 ;;
  esac
  \builtin set -- "${1#*conda_stage_code}"
  \builtin eval "${1%conda_stage_code*}"
}
# In POSIX mode a function can't have this name, but aliases work in scripts, too.
if [[ -o posix ]]; then
  \builtin alias conda-stage=__conda_stage
else
  # `||`: an ERR trap is the caller's alone.
  function conda-stage { __conda_stage "$@" || \builtin return; }
fi
