# Run by demo.ts in a bash of its own, with ACTIVATION holding code that activates the demo environment, or empty where one is
# active already. Each command is shown behind the prompt that the shell has just then, and run.

type_in() {
  printf '%s%s\n' "${PS1@P}" "$1"
  eval "$1"
}

TIMEFORMAT='(%R s)'
PS1="${CONDA_PROMPT_MODIFIER-}\$ "
if [ -n "$ACTIVATION" ]; then
  eval "$ACTIVATION"
  export CONDA_DEFAULT_ENV="${CONDA_PREFIX##*/}"
  export CONDA_PROMPT_MODIFIER="($CONDA_DEFAULT_ENV) "
  PS1="$CONDA_PROMPT_MODIFIER\$ "
fi
# An environment without Python has no --version that can be relied on: any of its programs shows where it comes from.
for program in jupyter python R "$(ls "$CONDA_PREFIX/bin" | head -n 1)"; do
  [ -x "$CONDA_PREFIX/bin/$program" ] && break
done

type_in 'eval "$(bin/conda-stage --source=bash)"'
type_in "command -v $program"
type_in conda-stage || exit
type_in "command -v $program"
case $program in jupyter | python | R) type_in "time $program --version" ;; esac
type_in 'conda-stage --unstage' || exit
type_in "command -v $program"
