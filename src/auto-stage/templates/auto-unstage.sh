# Removes a staged copy when the session leaves it. 'conda-stage' writes this into the copy unless --keep is given;
# 'conda-stage --auto-stage=enable' also writes it into the original, whose scripts 'conda run' uses.
#
# By then conda has removed the environment from PATH. If it has not, conda activates another environment on top, or
# reactivates this one. In the original, the script does nothing.
case "${__CONDA_STAGE_AUTO-}:${CONDA_PREFIX-}" in
  :*/conda-stage_*/*)
    __conda_stage_leave() {
      case ":$PATH:" in
        *":$CONDA_PREFIX/bin:"*) \return 0 ;;
      esac
      \local pid rest
      IFS=' ' \read -r pid rest < /proc/self/stat || pid=$$
      \set -- --leave --prefix="$CONDA_PREFIX" --session="$pid"
      if \command test -n "${ZSH_VERSION-}"; then
        if \builtin typeset -f conda-stage > /dev/null; then
          \conda-stage "$@"
          \return
        fi
      elif \command -v __conda_stage > /dev/null; then
        __conda_stage "$@"
        \return
      fi
      if \command test -x @LAUNCHER@; then
        LD_PRELOAD= LD_LIBRARY_PATH= @LAUNCHER@ "$@"
      else
        \command conda-stage "$@"
      fi
    }
    __conda_stage_leave || \:
    \unset -f __conda_stage_leave
    ;;
esac
