import { deliverCode } from '../activate/call.ts'
import { render } from '../activate/render.ts'
import type { Step } from '../activate/steps.ts'
import { configWarnings } from '../config/mistakes.ts'
import { flag } from '../config/resolve.ts'
import { StageError } from '../errors.ts'
import { diskFailure } from '../platform/disk-failure.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import { limitFailure } from '../platform/limits.ts'
import { abandonCalls, onLongWait } from '../platform/waiting.ts'
import type { Command } from './command.ts'
import { type Action, readOptions } from './options.ts'
import {
  createMessages,
  errorData,
  isAnswered,
  type Messages,
  sendErrorsTo,
  stillWaiting,
  styleData,
  writeJson,
} from './render/messages.ts'
import { type Session, startThreads } from './session.ts'

// Each action loads only its own modules: every job script pays for the start of the program.
const COMMANDS: Record<Action | 'skip', () => Promise<Command>> = {
  stage: async () => (await import('./commands/stage.ts')).stageCommand,
  unstage: async () => (await import('./commands/unstage.ts')).unstageCommand,
  finishUnstage: async () => (await import('./commands/unstage.ts')).finishUnstageCommand,
  abandon: async () => (await import('./commands/stage.ts')).abandonCommand,
  autoStage: async () => (await import('./commands/auto-stage.ts')).autoStageCommand,
  auto: async () => (await import('./commands/auto.ts')).autoCommand,
  leave: async () => (await import('./commands/auto.ts')).leaveCommand,
  sweep: async () => (await import('./commands/sweep.ts')).sweepCommand,
  onNode: async () => (await import('./commands/on-node.ts')).onNodeCommand,
  exec: async () => (await import('./commands/run/exec.ts')).execCommand,
  shell: async () => (await import('./commands/run/exec.ts')).shellCommand,
  enter: async () => (await import('./commands/run/enter.ts')).enterCommand,
  doctor: async () => (await import('./commands/evidence/doctor.ts')).doctorCommand,
  benchmark: async () => (await import('./commands/evidence/benchmark.ts')).benchmarkCommand,
  proof: async () => (await import('./commands/evidence/proof.ts')).proofCommand,
  pack: async () => (await import('./commands/pack.ts')).packCommand,
  verify: async () => (await import('./commands/verify.ts')).verifyCommand,
  retire: async () => (await import('./commands/retire.ts')).retireCommand,
  restore: async () => (await import('./commands/retire.ts')).restoreCommand,
  wrappers: async () => (await import('./commands/wrappers.ts')).wrappersCommand,
  modulefile: async () => (await import('./commands/modulefile.ts')).modulefileCommand,
  list: async () => (await import('./commands/list.ts')).listCommand,
  clean: async () => (await import('./commands/clean.ts')).cleanCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  source: async () => (await import('./commands/source.ts')).sourceCommand,
  completion: async () => (await import('./commands/completion.ts')).completionCommand,
  version: async () => (await import('./commands/version.ts')).versionCommand,
  help: async () => (await import('./commands/help.ts')).helpCommand,
  skip: async () => (await import('./commands/skip.ts')).skipCommand,
}

const SWITCHED_OFF: ReadonlySet<Action> = new Set(['stage', 'unstage', 'pack'])

/** These print what the program has in itself. */
const WITHOUT_FILES: ReadonlySet<Action> = new Set(['source', 'completion', 'help', 'version'])

/** A mistake in a configuration file must not stop anyone from going back or from seeing what is wrong. */
const TOLERANT: ReadonlySet<Action> = new Set(['unstage', 'verify', 'status', 'list', 'doctor', 'auto'])

/** Runs the program and returns its exit code: 0 success, 1 failure, 2 wrong usage, above 128 stopped by a signal. */
export async function main(session: Session, signal: AbortSignal): Promise<number> {
  let messages = createMessages({ verbosity: 'normal' }, false)
  let steps: Step[] | undefined
  let exitCode = 0
  const endings: (() => void)[] = []
  const archives: string[] = []
  const atEnd = (body: () => void) => void endings.push(body)
  onLongWait((path) => messages.warning(stillWaiting(path)))
  signal.addEventListener('abort', abandonCalls)
  let undo = async (): Promise<unknown> => undefined
  const ifUndelivered = (body: typeof undo): void => {
    undo = body
  }
  try {
    sendErrorsTo(session.errors)
    const options = await readOptions(session.args, session.env, session.cwd)
    if (!WITHOUT_FILES.has(options.action)) startThreads(process)
    const hasColour = !session.env.NO_COLOR && session.env.TERM !== 'dumb'
    messages = createMessages(options, hasColour && session.isErrorShown)
    styleData(hasColour && session.isDataShown && !options.json)
    const isForNobody = session.passedOnBy !== undefined && options.action === 'stage'
    const isOff = isForNobody || (flag('CONDA_STAGE', session.env) === false && SWITCHED_OFF.has(options.action))
    const strict = !isOff && !TOLERANT.has(options.action)
    for (const warning of configWarnings(options.files, strict)) messages.warning(warning)
    const command = await COMMANDS[isOff ? 'skip' : options.action]()
    steps = await command({ options, session, messages, signal, atEnd, ifUndelivered, archives }).finally(() => {
      for (const end of endings) end()
    })
  } catch (thrown) {
    const error = diskFailure(limitFailure(thrown))
    exitCode = signal.aborted ? stopped(String(signal.reason), messages, archives) : failure(error, messages)
    if (session.args.includes('--json') && !isAnswered()) writeFailure(error, signal)
  }
  // The shell function takes an empty answer to mean that the program could not start.
  try {
    if (session.shell) answer(session, steps ?? [{ op: 'return', status: exitCode }])
  } catch (error) {
    // The signal that stopped us has ended the shell, too.
    if (signal.aborted && steps === undefined) return exitCode
    messages.error(error)
    await undo().catch(() => {})
    return 1
  }
  return exitCode
}

function stopped(by: string, messages: Messages, archives: readonly string[]): number {
  const written = `nothing was staged; the archive ${archives.join(' and ')} is complete`
  const state = archives.length === 0 ? 'nothing was staged or changed' : written
  messages.warning(`Stopped by ${by}: ${state}`)
  return { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 }[by] ?? 1
}

function failure(error: unknown, messages: Messages): number {
  messages.error(error)
  return error instanceof StageError && (error.code === 'USAGE' || error.code === 'CONFIG') ? 2 : 1
}

/** With --json, programs find JSON on standard output after a failure, too, unless the result is there already. */
function writeFailure(error: unknown, signal: AbortSignal): void {
  const data = errorData(error)
  const code = data.code === 'BUG' && signal.aborted ? 'CANCELLED' : data.code
  try {
    writeJson({ error: { ...data, code } })
  } catch {
    // Standard error has said what failed.
  }
}

function answer({ shell, launcher }: Session, steps: Step[]): void {
  if (!shell) return
  const { code } = shell
  try {
    deliverCode(code, render(steps, shell.dialect, { flags: shell.flags, launcher }))
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    const [what, hint] =
      typeof code === 'string'
        ? [code, 'Make room there, or set TMPDIR to another folder.']
        : ['the pipe to its shell', 'Try again in a new shell.']
    const message = `This session can't be changed: ${what} can't be written: ${meaningOf(errno)}`
    throw new StageError('OUTPUT_LOST', message, { hint, cause: error })
  }
}
