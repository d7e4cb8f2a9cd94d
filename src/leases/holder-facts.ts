import type { Job, Variables } from '../platform/job.ts'
import type { ProcessIdentity } from '../platform/process-identity.ts'

/**
 * Who uses a copy. Written out, and not inferred from the schema by which leases are read: it is part of the library's types, and who
 * uses these has no valibot.
 */
export interface Holder {
  /** shell: the one that called. session: whom the caller named. job: the scheduler's. login: a login session. */
  kind: 'shell' | 'session' | 'job' | 'login' | 'programs'
  host: string
  boot: string
  /** The lease is live while one of these is, or the job. Without either, nobody is known whose end could end it. */
  processes: ProcessIdentity[]
  /** In which job. It holds the lease of kind `job`. */
  job?: Job | undefined
}

/** Who asks for a copy. */
export interface Caller {
  env: Variables
  /** The shell whose function called us. */
  shell?: number | undefined
  /** Whether the caller gets no more than the path of the copy: then the shell may be a subshell that ends at once. */
  getsPath?: boolean | undefined
  /** The process that the caller named. */
  session?: number | undefined
}
