# A POSIX shell reads this as $ENV, for --shell: the user's own file comes first. Its name may hold variables.
if [ -n "${__CONDA_STAGE_ENV-}" ]; then
  export ENV="$__CONDA_STAGE_ENV"
  unset __CONDA_STAGE_ENV
  eval "[ ! -r \"$ENV\" ] || . \"$ENV\""
else
  unset ENV __CONDA_STAGE_ENV
fi
eval "$__CONDA_STAGE_HOOK"
eval "$__CONDA_STAGE_BEGIN"
unset __CONDA_STAGE_HOOK __CONDA_STAGE_BEGIN
