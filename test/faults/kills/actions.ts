/** What is killed: every action of the program, in calls and in sessions. */

export interface Place {
  original: string
  local: string
  /** A whole stage that was there before. */
  stage: string
}

export interface Action {
  name: string
  /** The archive before the action; `stale` if the original has changed since. */
  archive: 'none' | 'fresh' | 'stale'
  /** The rest of a removal lies in the local folder. */
  debris?: true
  /** Arguments of a program that is called by itself. */
  args?: (place: Place) => string[]
  /** Code of a bash session in which the original is active, and what the session runs before. */
  session?: { code: (place: Place) => string; before?: (place: Place) => string }
  /** Takes away the stage that was there. */
  removes?: true
  /** Writes its scripts into the original, as it was asked to. */
  configures?: true
}

const stage = ({ original, local }: Place) => [`--prefix=${original}`, `--path=${local}`]
const stageHere = ({ local }: Place) => `conda-stage --path='${local}'`
const configure =
  (what: string) =>
  ({ original }: Place) => [`--auto-stage=${what}`, `--prefix=${original}`]

export const ACTIONS: readonly Action[] = [
  { name: 'pack', archive: 'none', args: ({ original }) => ['--pack', `--prefix=${original}`] },
  { name: 'repack', archive: 'stale', args: ({ original }) => ['--pack', `--prefix=${original}`] },
  { name: 'first stage', archive: 'none', args: stage },
  { name: 'stage after a change', archive: 'stale', args: stage },
  { name: 'second stage', archive: 'fresh', args: stage },
  { name: 'writable stage', archive: 'fresh', args: (place) => [...stage(place), '--writable'] },
  { name: 'verify', archive: 'fresh', args: ({ stage }) => ['--verify', `--prefix=${stage}`] },
  { name: 'unstage', archive: 'fresh', args: ({ stage }) => ['--unstage', `--prefix=${stage}`], removes: true },
  { name: 'sweep', archive: 'fresh', args: ({ local }) => ['--sweep', `--path=${local}`], debris: true },
  { name: 'auto-stage=enable', archive: 'fresh', args: configure('enable'), configures: true },
  { name: 'auto-stage=disable', archive: 'fresh', args: configure('disable'), configures: true },
  { name: 'first stage in bash', archive: 'none', session: { code: stageHere } },
  { name: 'second stage in bash', archive: 'fresh', session: { code: stageHere } },
  { name: 'unstage in bash', archive: 'fresh', session: { before: stageHere, code: () => 'conda-stage --unstage' } },
  { name: 'activation that stages', archive: 'fresh', session: { code: () => 'conda activate my' } },
  { name: 'deactivation', archive: 'fresh', session: { before: stageHere, code: () => 'conda deactivate' } },
  { name: 'end of the session', archive: 'fresh', session: { before: stageHere, code: () => 'exit 0' } },
]

/** A bash script that runs the action's code, and says in lines how it ended and what is active; then it goes on. */
export function sessionScript({ code, before }: NonNullable<Action['session']>, place: Place, hook: string): string {
  const { original, local } = place
  return `
order=$ORDER order_pid=$ORDER_PID order_log=$ORDER_LOG
unset ORDER ORDER_PID ORDER_LOG
PS1='\\$ '
# As conda's function, without conda.
conda() {
  case $1 in
    activate)
      export CONDA_PREFIX='${original}' CONDA_DEFAULT_ENV=my CONDA_SHLVL=1 CONDA_PROMPT_MODIFIER='(my) '
      PATH=$CONDA_PREFIX/bin:$PATH
      set -- "$1"
      ;;
    deactivate) PATH=\${PATH#"$CONDA_PREFIX/bin:"} ;;
  esac
  local script
  for script in $(ls $([ $1 = activate ] || echo -r) "$CONDA_PREFIX/etc/conda/$1.d"/*.sh); do . "$script"; done
  [ $1 = activate ] || unset CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER
}
. '${hook}'
# As in an interactive shell. Children are not affected.
trap : INT
${before || !code(place).includes('activate') ? `__CONDA_STAGE_AUTO=off conda activate my; unset __CONDA_STAGE_AUTO` : ''}
${before?.(place) ?? ''}
echo READY >&3; exec 3>&-
begun=$EPOCHREALTIME
export ORDER=$order ORDER_PID=$order_pid ORDER_LOG=$order_log
${code(place)}
status=$?
unset ORDER ORDER_PID ORDER_LOG
echo "status $status"
echo "active \${CONDA_PREFIX-nothing}"
echo "took $begun $EPOCHREALTIME"
echo "place $(place 2> /dev/null)"
[ "\${CONDA_PREFIX-}" = '${original}' ] || [ -z "\${CONDA_PREFIX-}" ] || conda-stage --unstage
[ -n "\${CONDA_PREFIX-}" ] || __CONDA_STAGE_AUTO=off conda activate my
echo "original $CONDA_PREFIX $(place)"
conda-stage --path='${local}' || echo "can not go on"
echo "copy $CONDA_PREFIX $(place)"
`
}
