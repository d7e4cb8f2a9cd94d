import { availableParallelism } from 'node:os'
import { threadsThatFit } from './limits.ts'

/** More threads than this would only wait for the disk and for each other's folders, and each costs memory. */
const MOST_THREADS = 16

/** CPUs that this process may use (affinity and cgroup counted), 1 to 16; fewer if a limit of the session leaves no room for them. */
export const defaultThreads = (): number =>
  Math.max(1, Math.min(MOST_THREADS, availableParallelism(), threadsThatFit()))
