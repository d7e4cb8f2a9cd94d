# zsh reads the files of this folder, for --shell: the user's own come first, and see their own ZDOTDIR, which they may change.
__conda_stage_zdotdir=$ZDOTDIR
if [[ -n ${__CONDA_STAGE_ZDOTDIR-} ]]; then
  ZDOTDIR=$__CONDA_STAGE_ZDOTDIR
else
  unset ZDOTDIR
fi
unset __CONDA_STAGE_ZDOTDIR
if [[ -r ${ZDOTDIR-$HOME}/.zshenv ]]; then
  . "${ZDOTDIR-$HOME}/.zshenv"
fi
__conda_stage_user_zdotdir=${ZDOTDIR-}
ZDOTDIR=$__conda_stage_zdotdir
unset __conda_stage_zdotdir
