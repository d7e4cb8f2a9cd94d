/** What is killed: every action of the program, in calls and in sessions. */

export interface Action {
  name: string
  /** The archive before the action; `stale` if the original has changed since. */
  archive: 'none' | 'fresh' | 'stale'
  /** No copy is there to share. */
  alone?: true
  /** The rest of a removal lies in the local folder. */
  debris?: true
  /** Code in which $C is the program, $E the original, $L the local folder, $S a copy that another session uses. */
  code: string
  /** What runs before, undisturbed. */
  before?: string
  /** A session in which the original is active and the shell function is loaded. It goes on after the action. */
  session?: true
  /** Writes a zip. */
  zips?: true
  /** Leaves what others left. */
  lists?: true
  /** A copy is kept for the next session. */
  keeps?: true
  /** Writes its scripts into the original, as it was asked to. */
  configures?: true
}

const STAGE = '"$C" --prefix="$E" --path="$L"'
const HERE = 'conda-stage --path="$L"'

export const ACTIONS: readonly Action[] = [
  { name: 'pack', archive: 'none', code: '"$C" --pack --prefix="$E"' },
  { name: 'repack', archive: 'stale', code: '"$C" --pack --prefix="$E"' },
  {
    name: 'pack a zip',
    zips: true,
    archive: 'fresh',
    code: '"$C" --pack --prefix="$E" --output="$L/../elsewhere/a.zip"',
  },
  { name: 'first stage', archive: 'none', code: STAGE },
  { name: 'stage after a change', archive: 'stale', code: STAGE },
  { name: 'stage', archive: 'fresh', alone: true, code: STAGE },
  { name: 'join', archive: 'fresh', code: STAGE },
  { name: 'private stage', archive: 'fresh', code: `${STAGE} --private` },
  { name: 'writable stage', archive: 'fresh', code: `${STAGE} --writable` },
  { name: 'verify', archive: 'fresh', code: '"$C" --verify --prefix="$S"' },
  { name: 'unstage', archive: 'fresh', before: `P=$(${STAGE} --private)`, code: '"$C" --unstage --prefix="$P"' },
  { name: 'unstage what others use', archive: 'fresh', before: `P=$(${STAGE})`, code: '"$C" --unstage --prefix="$P"' },
  { name: 'sweep', archive: 'fresh', debris: true, code: '"$C" --sweep --path="$L"' },
  { name: 'list', archive: 'fresh', lists: true, debris: true, code: '"$C" --list --path="$L"' },
  {
    name: 'clean',
    keeps: true,
    archive: 'fresh',
    debris: true,
    before: `sleep 60 & ${STAGE} --private --keep=9 --session=$!; kill $!; wait`,
    code: '"$C" --clean --path="$L"',
  },
  {
    name: 'auto-stage=enable',
    archive: 'fresh',
    code: '"$C" --auto-stage=enable --prefix="$E" --path="$L"',
    configures: true,
  },
  { name: 'auto-stage=disable', archive: 'fresh', code: '"$C" --auto-stage=disable --prefix="$E"', configures: true },
  { name: 'first stage in bash', archive: 'none', session: true, code: HERE },
  { name: 'stage in bash', archive: 'fresh', alone: true, session: true, code: HERE },
  { name: 'join in bash', archive: 'fresh', session: true, code: HERE },
  {
    name: 'unstage in bash',
    archive: 'fresh',
    session: true,
    before: `${HERE} --private`,
    code: 'conda-stage --unstage',
  },
  { name: 'leave what others use', archive: 'fresh', session: true, before: HERE, code: 'conda-stage --unstage' },
  { name: 'activation that stages', archive: 'fresh', alone: true, session: true, code: 'conda activate my' },
  { name: 'deactivation', archive: 'fresh', session: true, before: `${HERE} --private`, code: 'conda deactivate' },
  { name: 'end of a session', archive: 'fresh', session: true, before: `${HERE} --private`, code: 'exit 0' },
  {
    name: 'end of a session that keeps',
    archive: 'fresh',
    session: true,
    keeps: true,
    before: `${HERE} --private --keep=1`,
    code: 'exit 0',
  },
]

const ORDER = 'ORDER ORDER_PID ORDER_LOG'
/** The order is for the action alone. */
const HOLD = 'set -- "$ORDER" "$ORDER_PID" "$ORDER_LOG"; unset ORDER ORDER_PID ORDER_LOG'
const GIVE = 'echo READY >&3; exec 3>&-; export ORDER="$1" ORDER_PID="$2" ORDER_LOG="$3"'

/** A bash script that runs the action's code; a session then says in lines how it ended and what is active, and goes on. */
export function scriptOf({ code, before = '', session }: Action): string {
  // A caller that lives until the program has ended, as a shell at a terminal does.
  if (!session) return `${HOLD}\n${before}\ntrap : INT TERM HUP\n${GIVE}\n${code}\nexit $?`
  return `
${HOLD}
PS1='\\$ '
${CONDA}
. "$HOOK"
# As in an interactive shell. Its children are not affected.
trap : INT
${code.startsWith('conda activate') ? '' : 'off=1; conda activate my; off='}
${before}
begun=$EPOCHREALTIME
${GIVE}
${code}
status=$?
unset ${ORDER}
# A second signal may still come. It must not end what only looks.
trap '' INT
echo "status $status"
echo "active \${CONDA_PREFIX-nothing}"
echo "took $begun $EPOCHREALTIME"
echo "place $(place 2> /dev/null)"
trap : INT
[ "\${CONDA_PREFIX-}" = "$E" ] || [ -z "\${CONDA_PREFIX-}" ] || conda-stage --unstage || conda-stage --unstage
[ -n "\${CONDA_PREFIX-}" ] || { off=1; conda activate my; off=; }
trap '' INT
echo "original $CONDA_PREFIX $(place)"
trap : INT
conda-stage --path="$L" || conda-stage --path="$L"
echo "copy $CONDA_PREFIX $(place)"
`
}

/** As conda's function, without conda. While `off` is set, the original is activated as it is. */
export const CONDA = `
conda() {
  case $1 in
    activate)
      export CONDA_PREFIX="$E" CONDA_DEFAULT_ENV=my CONDA_SHLVL=1 CONDA_PROMPT_MODIFIER='(my) '
      PATH=$CONDA_PREFIX/bin:$PATH
      set -- "$1"
      ;;
    deactivate) PATH=\${PATH#"$CONDA_PREFIX/bin:"} ;;
  esac
  local script
  for script in $(ls $([ $1 = activate ] || echo -r) "$CONDA_PREFIX/etc/conda/$1.d"/*.sh); do
    case $off$script in 1*auto*) ;; *) . "$script" ;; esac
  done
  [ $1 = activate ] || unset CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER
}`
