import { availableParallelism } from 'node:os'

/** More threads than this would only wait for the disk and for each other's folders, and each costs memory. */
const MOST_THREADS = 16

/** The number of CPUs that this process may use (affinity and cgroup considered), 1 to 16. */
export const defaultThreads = (): number => Math.min(MOST_THREADS, Math.max(1, availableParallelism()))
