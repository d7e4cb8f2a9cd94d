# fish reads this after the user's own files, for --shell.
eval "$__CONDA_STAGE_HOOK"
eval "$__CONDA_STAGE_BEGIN"
set -e __CONDA_STAGE_HOOK
set -e __CONDA_STAGE_BEGIN
