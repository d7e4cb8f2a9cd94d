import type { Caller } from '../leases/users.ts'
import type { OnProgress } from '../model/progress.ts'
import type { PackOptions, StageOptions } from '../pipeline/options.ts'
import { jobId } from '../platform/job.ts'
import { onLongWait } from '../platform/waiting.ts'
import { NOTE_HOLDS } from '../wrappers/notes.ts'
import type { Context } from './command.ts'
import { stillWaiting } from './render/messages.ts'
import { progressRenderer } from './render/progress.ts'

/** Maps the options of the command line to those of the library. */
export function packOptions(context: Context): PackOptions {
  const { options, session, signal } = context
  return {
    ...(options.prefix !== undefined && { prefix: options.prefix }),
    ...(options.output !== undefined && { output: options.output }),
    ...(options.compressLevel !== undefined && { compressLevel: options.compressLevel }),
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.arcroot !== undefined && { arcroot: options.arcroot }),
    ...(options.destPrefix !== undefined && { destPrefix: options.destPrefix }),
    ...(options.filters !== undefined && { filters: options.filters }),
    ...(options.archiveFolder !== undefined && { archiveFolder: options.archiveFolder }),
    retention: { days: options.retentionDays, archives: options.retentionArchives },
    packer: options.packer,
    ignoreEditablePackages: options.ignoreEditablePackages,
    format: options.image ? 'sqfs' : options.format,
    force: options.force,
    check: options.check,
    ignoreMissingFiles: options.ignoreMissingFiles,
    allowBase: options.allowBase,
    env: session.env,
    cwd: session.cwd,
    onProgress: progressOf(context),
    signal,
  }
}

/** Minutes. */
const KEPT_FOR_WRAPPERS = 60

export function stageOptions(context: Context): StageOptions {
  const { path, archive, localFolders, localFoldersOnly, writable, skipLocal, keepMinutes } = context.options
  const { action, autoUnstage, note } = context.options
  const isKept = action === 'auto' && autoUnstage !== true
  // The programs that wrappers start come and go.
  const minutes = note === undefined ? keepMinutes : Math.max(keepMinutes || KEPT_FOR_WRAPPERS, NOTE_HOLDS / 60)
  return {
    ...packOptions(context),
    ...(path !== undefined && { path }),
    ...(archive !== undefined && { archive }),
    localFolders,
    localFoldersOnly,
    ...((skipLocal !== undefined || jobId(context.session.env) !== undefined) && { skipLocal: skipLocal ?? true }),
    writable,
    ...(context.options.mount && { form: 'mount' as const, inPlace: context.options.inPlace }),
    isPrivate: context.options.private,
    keepMinutes: isKept || minutes === Number.POSITIVE_INFINITY ? null : minutes,
    caller: callerOf(context),
  }
}

/** Who uses the copy. */
export const callerOf = ({ options, session }: Pick<Context, 'options' | 'session'>): Caller => ({
  env: session.env,
  shell: session.shell?.pid,
  getsPath: options.prefix !== undefined || (options.archive !== undefined && !session.shell),
  // What is activated is used by the shell that activates it.
  session:
    options.action === 'stage' && options.prefix === undefined && session.shell?.pid ? undefined : options.session,
})

export function progressOf({
  options,
  session,
  messages,
  atEnd,
  archives,
}: Pick<Context, 'options' | 'session' | 'messages' | 'atEnd' | 'archives'>): OnProgress {
  const { onProgress, clear } = progressRenderer(messages, {
    live: session.isErrorShown && session.env.TERM !== 'dumb',
    quiet: options.verbosity === 'quiet',
  })
  // A bar that is still shown would keep the process alive and the cursor hidden.
  atEnd(clear)
  onLongWait((path) => onProgress({ kind: 'warning', message: stillWaiting(path) }))
  return (event) => {
    if (event.kind === 'archive') archives.push(event.archive)
    else onProgress(event)
  }
}
