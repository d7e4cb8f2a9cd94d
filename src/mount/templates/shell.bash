# bash reads this instead of ~/.bashrc, for --shell: the user's own file comes first.
if [[ -r ~/.bashrc ]]; then
  . ~/.bashrc
fi
eval "$__CONDA_STAGE_HOOK"
eval "$__CONDA_STAGE_BEGIN"
unset __CONDA_STAGE_HOOK __CONDA_STAGE_BEGIN
