import type { Variables } from '../platform/job.ts'
import type { ProcessIdentity } from '../platform/process-identity.ts'

// Public types. They name no type of a library: the package has none, so its users' compilers would take `any` for it.

export interface Caller {
  env: Variables
  /** The shell whose function called us. */
  shell?: number | undefined
  /** Whether the caller only gets the path of the copy. Then the shell may be a subshell that ends at once. */
  getsPath?: boolean | undefined
  /** The process that the caller named. */
  session?: number | undefined
}

/** Who uses a copy. */
export interface Holder {
  /** shell: the one that called. session: whom the caller named. job: the scheduler's. login: a login session. */
  kind: 'shell' | 'session' | 'job' | 'login' | 'programs'
  host: string
  boot: string
  /** The copy is in use while one of these processes, or the job, lives. If there is neither, nothing can end the use. */
  processes: ProcessIdentity[]
  /** The job of these processes. For the kind `job`, it holds the lease. */
  job?: { variable: string; id: string } | undefined
}
