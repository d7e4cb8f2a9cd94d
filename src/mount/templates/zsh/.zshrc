if [[ -n $__conda_stage_user_zdotdir ]]; then
  ZDOTDIR=$__conda_stage_user_zdotdir
else
  unset ZDOTDIR
fi
unset __conda_stage_user_zdotdir
if [[ -r ${ZDOTDIR-$HOME}/.zshrc ]]; then
  . "${ZDOTDIR-$HOME}/.zshrc"
fi
eval "$__CONDA_STAGE_HOOK"
eval "$__CONDA_STAGE_BEGIN"
unset __CONDA_STAGE_HOOK __CONDA_STAGE_BEGIN
