import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { deliverCode } from '../../../activate/call.ts'
import { quotePosix } from '../../../activate/quote.ts'
import { MARK } from '../../../activate/render.ts'
import { flag } from '../../../config/resolve.ts'
import { StageError } from '../../../errors.ts'
import { activePrefix } from '../../../model/active.ts'
import { isInPlace } from '../../../mount/in-place.ts'
import { showing } from '../../../mount/namespace.ts'
import { shellOf, shellWords } from '../../../mount/shells.ts'
import { saveActivation } from '../../../pipeline/activation.ts'
import { bindToShell, guard } from '../../../pipeline/bind-to-shell.ts'
import type { InPlaceOptions, InPlaceResult, StageResult } from '../../../pipeline/options.ts'
import { originalOf } from '../../../pipeline/original.ts'
import { wordsInto } from '../../../pipeline/words-into.ts'
import { stageInPlace } from '../../../pipeline.ts'
import { processFacts } from '../../../platform/process-identity.ts'
import { realpath } from '../../../platform/remote-fs.ts'
import { stopAfter } from '../../../platform/signals.ts'
import type { Command, Context } from '../../command.ts'
import { stageOptions } from '../../library-options.ts'
import { giveUp } from '../leave-nodes.ts'
import { statusOfFailure } from '../on-failure.ts'

/** Runs a command with the copy in the original's own place. */
export const execCommand: Command = (context) =>
  become(context, async (way) => {
    const words = [...(await entering(way, context)), ...lostVariables(context.session.becomes)]
    return [...words.map(quotePosix), ANY]
  })

/** The same with the user's own shell, which activates the environment itself, behind its startup files. */
export const shellCommand: Command = (context) =>
  become(context, async (way) => {
    const shell = shellOf(context.session.env)
    const args = way.prefix === undefined ? undefined : ['--enter', `--prefix=${way.prefix}`, '--quiet']
    const words = args && shellWords(shell, args, context.session)
    const lost = lostVariables(context.session.becomes)
    return (words ? [...lost, ...words] : [...(await entering(way, context)), ...lost, shell, '-i']).map(quotePosix)
  })

/** The user's command, as the launcher got it: its bytes need not be UTF-8. */
const ANY = '"$@"'
/** Our own arguments go. */
const TO_COMMAND = 'until [ "$1" = -- ]; do shift; done\nshift\n'

/** From where a command runs. */
interface Way {
  /** In front of the command: what shows the copy in the original's place. */
  words: string[]
  /** To be active; undefined: nothing is. */
  prefix: string | undefined
  isCopy: boolean
  copy?: StageResult | undefined
}

/**
 * Prints shell code by which the launcher becomes a command. It is the launcher that does, and not Node, because it still has what
 * Node has changed: which signals are ignored, and the descriptors that a caller such as mpirun has opened for the command.
 */
async function become(context: Context, wordsOf: (way: Way) => Promise<string[]>): Promise<undefined> {
  const { options, session, messages } = context
  const { becomes } = session
  if (becomes === undefined) throw notLaunched()
  // Where /proc shows nothing, nobody can tell.
  if (processFacts(becomes)) stopAfter(() => processFacts(becomes) !== undefined)
  const way = await wayOf(becomes, context)
  try {
    const code = [...way.words.map(quotePosix), ...(await wordsOf(way))].join(' ')
    if (way.copy) await bind(way.copy, context)
    if (way.words.length > 0) messages.info(`The copy stands in the original's place: ${way.prefix}`)
    deliverCode(STANDARD_OUTPUT, `: ${MARK}\n${options.action === 'exec' ? TO_COMMAND : ''}exec ${code}\n`)
  } catch (error) {
    if (way.copy) await giveUp(way.copy, context)
    throw error
  }
}

const STANDARD_OUTPUT = 1

async function wayOf(becomes: number, context: Context): Promise<Way> {
  const { options, session, messages, signal } = context
  const { env, cwd } = session
  const asked = options.prefix === undefined ? activePrefix(env) : resolve(cwd, options.prefix)
  const fromOriginal: Way = { words: [], prefix: asked, isCopy: false }
  if (flag('CONDA_STAGE', env) === false) {
    messages.info('CONDA_STAGE=false: no copy is made')
    return fromOriginal
  }
  try {
    // What is set for sessions in general does not count: the copy goes with the command.
    const given = { ...stageOptions(context), writable: false, caller: { env, session: becomes } }
    const { strict, inPlace: readInPlace } = options
    if (options.archive !== undefined) {
      const { copy } = await stageInPlace({ ...given, strict, readInPlace })
      return { words: [], prefix: copy?.prefix, isCopy: true, copy }
    }
    const { prefix } = await originalOf(given)
    if (isInPlace(await realpath(prefix))) return { words: [], prefix, isCopy: true }
    const inPlace = { ...given, prefix, strict, readInPlace }
    const { copy, shown } = options.withBase ? await onItsBase(inPlace, context) : await stageInPlace(inPlace)
    if (shown === undefined) return { words: [], prefix: copy?.prefix, isCopy: true, copy }
    return { words: showing(shown, { strict }), prefix, isCopy: true, copy }
  } catch (error) {
    if (!(error instanceof StageError) || signal.aborted) throw error
    if (error.code === 'ALREADY_LOCAL') messages.info(`${error.message}. Using it as it is (--no-skip-local stages it)`)
    else if (options.strict || statusOfFailure(options) !== 0) throw error
    else messages.warning(`The command runs from the original: ${error.message}`, error.hint)
    return fromOriginal
  }
}

async function onItsBase(given: InPlaceOptions, context: Context): Promise<InPlaceResult> {
  const { onBase } = await import('../with-base.ts')
  return await onBase(context, {
    caller: given.caller,
    stage: (base) => stageInPlace({ ...given, ...base }),
    copyOf: ({ copy }) => copy,
  })
}

/** The copy goes when the command has ended, and all that it has started. */
async function bind(copy: StageResult, { options, session }: Context): Promise<void> {
  const bound = options.keepMinutes !== Number.POSITIVE_INFINITY
  const held = await saveActivation(copy.lease, { snapshot: undefined, bound })
  if (bound) bindToShell(held, copy.prefix, session)
  else await guard(copy, session)
}

/**
 * Gives a command the variables whose names are no shell's. Some kinds of sh drop these, and with them the functions that bash has
 * exported, such as Lmod's `module` (BASH_FUNC_module%%). The launcher is run by sh, but the kernel knows what it was called with.
 */
function lostVariables(launcher: number | undefined): string[] {
  try {
    const variables = readFileSync(`/proc/${launcher}/environ`, 'utf8').split('\0')
    const lost = variables.filter((each) => /^(?![A-Za-z_]\w*=)[^=]+=/.test(each) && !each.includes('\uFFFD'))
    return lost.length === 0 ? [] : ['/usr/bin/env', ...lost]
  } catch {
    return [] // there is no /proc
  }
}

async function entering({ prefix, isCopy }: Way, { session, messages }: Context): Promise<string[]> {
  if (prefix === undefined) return []
  const { env, launcher } = session
  return await wordsInto({ prefix, isCopy }, { env, launcher, warn: messages.warning })
}

const notLaunched = (): StageError =>
  new StageError('USAGE', 'Only the program bin/conda-stage can become a command', {
    hint: 'Call it as it was installed, not a part of it.',
  })
