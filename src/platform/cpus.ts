import { availableParallelism } from 'node:os'

/** More threads than this wait for the disk and for each other's folders, and each costs memory. */
const MOST_THREADS = 16

/** CPUs that this process may use (affinity and cgroup counted), 1 to 16. */
export const defaultThreads = (): number => Math.min(MOST_THREADS, Math.max(1, availableParallelism()))
