# Written by 'conda-stage --auto-stage=enable': stages this environment when it is activated.
# To disable: conda-stage --auto-stage=disable
#
# conda's function runs this in the session's own shell (bash, zsh or sh). Its arguments are still there. An environment
# is not staged when conda reactivates it, as after 'conda install', or comes back to it.
case "${__CONDA_STAGE_AUTO-}${1-}" in
  activate)
    __conda_stage_auto() {
      case "${CONDA_STAGE-}" in
        [Ff][Aa][Ll][Ss][Ee] | [Nn][Oo] | [Oo][Ff][Ff] | 0)
          __conda_stage_warn "CONDA_STAGE=$CONDA_STAGE: conda environment "
          \return 0
          ;;
      esac
      # The code of modules may not be written for nounset and errexit.
      case "$-" in
        *u*) \set +u; __conda_stage_prologue; \set -u ;;
        *) __conda_stage_prologue ;;
      esac
      __conda_stage_is_loaded || __conda_stage_load || {
        if \command test -x @LAUNCHER@; then # it has said why it can't start
          __conda_stage_warn ''
        else
          \set -- @LAUNCHER@
          __conda_stage_warn "conda-stage was not found (it was at $1): "
        fi
        \return 0
      }
      # `read` runs in this shell, which may be a subshell; `$$` would not show that.
      \local pid rest
      IFS=' ' \read -r pid rest < /proc/self/stat || pid=$$
      \set -- --auto --session="$pid" @ARGUMENTS@
      case "${ZSH_VERSION-}" in
        '') __conda_stage "$@" ;;
        *) \conda-stage "$@" ;;
      esac || case "$?" in
        3) \return 1 ;; # on-failure: fail
        129 | 130 | 143) ;; # it said that a signal stopped it
        *) __conda_stage_warn '' ;;
      esac
    }
    __conda_stage_warn() {
      case "${CONDA_DEFAULT_ENV-}" in
        *[![:print:]]*) \set -- "$1(its name can not be shown)" ;; # a terminal might obey it
        *) \set -- "$1'${CONDA_DEFAULT_ENV-}'" ;;
      esac
      \command printf '%s\n' "WARNING: $1 is not staged" >&2
    }
    __conda_stage_prologue() {
      \eval @PROLOGUE@ >&2 || \echo "WARNING: --prologue failed:" @PROLOGUE@ >&2
    }
    __conda_stage_is_loaded() {
      case "${ZSH_VERSION-}" in
        '') \command -v __conda_stage > /dev/null ;;
        *) \builtin typeset -f conda-stage > /dev/null ;;
      esac
    }
    __conda_stage_load() {
      case "${ZSH_VERSION:+zsh}${BASH_VERSION:+bash}" in
        zsh) \set -- zsh ;;
        bash) \set -- bash ;;
        *) \set -- sh ;;
      esac
      if \command test -x @LAUNCHER@; then
        \set -- "$(LD_PRELOAD= LD_LIBRARY_PATH= @LAUNCHER@ --source="$1")"
      else
        \set -- "$(\command conda-stage --source="$1" 2> /dev/null)"
      fi
      \eval "$1"
      __conda_stage_is_loaded
    }
    # With errexit the session ends if this fails; else conda's function goes on.
    if __conda_stage_auto; then
      \unset -f __conda_stage_auto __conda_stage_warn __conda_stage_prologue __conda_stage_is_loaded __conda_stage_load
    else
      \unset -f __conda_stage_auto __conda_stage_warn __conda_stage_prologue __conda_stage_is_loaded __conda_stage_load
      \command false
    fi
    ;;
esac
