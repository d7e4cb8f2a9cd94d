import { resolve } from 'node:path'
import type { AutoStaging } from '../auto-stage/script.ts'
import type { OnFailure } from '../config/settings.ts'

export const SWITCH = ['enable', 'disable']

export interface AutoOptions {
  /** What --auto-stage requests. */
  autoStage?: AutoStaging & { enable: boolean }
  /** What --auto-unstage requests alone: only whether copies are removed when they are left. */
  onlyAutoUnstage?: boolean
  /** With --auto: remove the copy when the session leaves it or ends. */
  autoUnstage?: boolean
  /** Process number of the calling shell. */
  session?: number
}

/**
 * Options of automatic staging. Only the command line is remembered. Variables and files are read later, at each activation
 * of the environment.
 */
export function autoOptions(
  given: Readonly<Record<string, unknown>>,
  action: string,
  { env, cwd }: { env: Readonly<Record<string, string | undefined>>; cwd: string },
  usage: (message: string) => Error,
): AutoOptions {
  const session = given.session === undefined ? {} : { session: given.session as number }
  if (action !== 'autoStage') {
    if (action === 'auto') return { ...session, autoUnstage: given.autoUnstage === 'enable' }
    if (given.autoUnstage !== undefined) throw usage('--auto-unstage works only alone or with --auto-stage')
    if (given.prologue !== undefined) throw usage('--prologue works only with --auto-stage')
    return session
  }
  if (given.autoStage === undefined) {
    if (given.prologue !== undefined) throw usage('--prologue works only with --auto-stage')
    return { onlyAutoUnstage: given.autoUnstage === 'enable' }
  }
  const enable = given.autoStage === 'enable'
  const unstage = (given.autoUnstage ?? given.autoStage) === 'enable'
  if (!enable && given.autoUnstage === 'enable')
    throw usage('--auto-unstage=enable works only with --auto-stage=enable')
  const prologue = (given.prologue as string | undefined) ?? (env.CONDA_STAGE_PROLOGUE || undefined)
  return {
    autoStage: {
      enable,
      unstage,
      ...(given.writable !== undefined && { writable: true }),
      ...(given.readOnly !== undefined && { writable: false }),
      ...(given.withConda !== undefined && { withConda: true }),
      ...(given.onFailure !== undefined && { onFailure: given.onFailure as OnFailure }),
      ...(given.keep !== undefined && { keepMinutes: given.keep as number }),
      ...(given.path !== undefined && { path: resolve(cwd, given.path as string) }),
      ...(prologue !== undefined && { prologue }),
    },
  }
}
