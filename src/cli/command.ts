import type { Step } from '../activate/steps.ts'
import type { Options } from './options.ts'
import type { Messages } from './render/messages.ts'
import type { Session } from './session.ts'

/** What a command works with. */
export interface Context {
  options: Options
  session: Session
  messages: Messages
  signal: AbortSignal
  /** Registers work for the end of the command, whether it succeeds or fails. It runs before any error is shown. */
  atEnd(body: () => void): void
  /** Registers what to do if the calling shell can't be given the steps. */
  ifUndelivered(undo: () => Promise<unknown>): void
  /** Archives that the command has written so far. */
  archives: string[]
}

/** Returns the steps that the calling shell must run afterwards. Most commands have none. */
export type Command = (context: Context) => Promise<Step[] | undefined>
