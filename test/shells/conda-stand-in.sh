# The part of conda that lives in the shell. Like conda's own, it evaluates what a program prints. For bash, zsh and sh.
conda() {
  case "$1" in
    activate | deactivate)
      conda_code_stand_in="$(PS1="${PS1-}" "$NODE_STAND_IN" "$CONDA_EXE_STAND_IN" "$@")" || {
        unset conda_code_stand_in
        return 1
      }
      eval "unset conda_code_stand_in
$conda_code_stand_in"
      hash -r
      ;;
    install)
      command conda "$@" || return
      conda_code_stand_in="$(PS1="${PS1-}" "$NODE_STAND_IN" "$CONDA_EXE_STAND_IN" reactivate)" || return
      eval "unset conda_code_stand_in
$conda_code_stand_in"
      hash -r
      ;;
    *) command conda "$@" ;;
  esac
}
export CONDA_SHLVL="${CONDA_SHLVL-0}"
