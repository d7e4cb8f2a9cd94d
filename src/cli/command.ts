import type { Step } from '../activate/steps.ts'
import type { Options } from './options.ts'
import type { Messages } from './render/messages.ts'
import type { Session } from './session.ts'

/** What a command gets. */
export interface Context {
  options: Options
  session: Session
  messages: Messages
  signal: AbortSignal
  /** Called when the command has ended, well or not, before anything is said about that. */
  atEnd(body: () => void): void
}

/** What the shell that called is to do when we have ended; nothing for most. */
export type Command = (context: Context) => Promise<Step[] | undefined>
