import { resolve } from 'node:path'
import type { AutoStaging } from '../auto-stage/script.ts'

export const SWITCH = ['enable', 'disable']

export interface AutoOptions {
  /** What --auto-stage asks for. */
  autoStage?: AutoStaging & { enable: boolean }
  /** With --auto: the copy goes with the session. */
  autoUnstage?: boolean
  /** Process of the shell that called. */
  session?: number
}

/**
 * Options of automatic staging. Remembered is what the command line says; what variables and files say is
 * looked at when the environment is activated.
 */
export function autoOptions(
  given: Readonly<Record<string, unknown>>,
  action: string,
  cwd: string,
  usage: (message: string) => Error,
): AutoOptions {
  const session = given.session === undefined ? {} : { session: given.session as number }
  if (action !== 'autoStage') {
    if (action === 'auto') return { ...session, autoUnstage: given.autoUnstage === 'enable' }
    if (given.autoUnstage !== undefined) throw usage('--auto-unstage goes with --auto-stage only')
    if (given.prologue !== undefined) throw usage('--prologue goes with --auto-stage only')
    return session
  }
  const enable = given.autoStage === 'enable'
  const unstage = (given.autoUnstage ?? given.autoStage) === 'enable'
  if (!enable && given.autoUnstage === 'enable') throw usage('--auto-unstage=enable goes with --auto-stage=enable only')
  return {
    autoStage: {
      enable,
      unstage,
      ...(given.writable !== undefined && { writable: true }),
      ...(given.readOnly !== undefined && { writable: false }),
      ...(given.path !== undefined && { path: resolve(cwd, given.path as string) }),
      ...(given.prologue !== undefined && { prologue: given.prologue as string }),
    },
  }
}
