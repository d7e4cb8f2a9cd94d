/**
 * What staging costs and gains, in seconds. docs/scale.md derives the formulas and shows how far they are from what was measured;
 * "Where the time goes" in docs/performance.md has the measurements of the CPU terms.
 */

/** What is in an environment. */
export interface Amount {
  /** Files, folders and links. */
  entries: number
  files: number
  bytes: number
}

/** How a node reaches the original, and what it has itself. */
export interface Site {
  /** Seconds until a request that the server has to answer (a look-up, an open, an attribute) is answered. */
  lookUp: number
  /** Bytes a second from the file servers to one node. */
  bandwidth: number
  cores: number
}

/** What a program asks of the file system before it works. */
export interface Start {
  /** Look-ups, opens and attributes, one after the other. */
  requests: number
  /** Bytes that it reads. */
  bytes: number
  /** Seconds from a copy on local disk that is in memory. */
  cpu: number
}

/** Bytes a second that one node gets from its file servers, where nobody has measured it: as in the benchmarks. */
export const USUAL_BANDWIDTH = 200e6

/** Seconds of our program before and after its work: `npm run bench -- second-stage`, on 2 cores. */
const OURS = 0.35
/** Seconds of CPU for an entry of the listing: 0.2 s for 31,000. */
const LISTED = 7e-6
/** Seconds of CPU for a file, and for a byte, of a first stage: both packed and written (`npm run bench -- first-stage`). */
const PACKED_FILE = 0.24e-3
const PACKED_BYTE = 5.3e-9
/** The same for a stage from the archive, and for a byte of the archive (`npm run bench -- second-stage`). */
const WRITTEN_FILE = 0.045e-3
const WRITTEN_BYTE = 4e-9
/** Seconds for a file in the one thread that orders a first stage ("Where the time goes"), and the most threads of both. */
const ORDERED_FILE = 0.12e-3
const PACKING_THREADS = 4
const EXTRACTING_THREADS = 8
/** Requests under way at the same time: the threads of libuv's pool. */
const IN_FLIGHT = 128
/** A look-up and an open for each entry. */
const REQUESTS_OF_ENTRY = 2
/** Archive bytes for a byte of an environment: 161 MB of 563, and 205 of 706. */
const COMPRESSED = 0.29

/** Of a stage that packs on the way, or of packing: it takes almost as long. */
export function firstStageSeconds({ entries, files, bytes }: Amount, { lookUp, bandwidth, cores }: Site): number {
  const waiting = (entries * REQUESTS_OF_ENTRY * lookUp) / IN_FLIGHT
  const working = (files * PACKED_FILE + bytes * PACKED_BYTE) / Math.min(cores, PACKING_THREADS)
  return OURS + entries * LISTED + Math.max(waiting, bytes / bandwidth, working, files * ORDERED_FILE)
}

/** Of a stage from an archive that is there. */
export function laterStageSeconds(
  { files, bytes }: Pick<Amount, 'files' | 'bytes'>,
  { bandwidth, cores }: Pick<Site, 'bandwidth' | 'cores'>,
): number {
  const archive = archiveBytes(bytes)
  const working = (files * WRITTEN_FILE + archive * WRITTEN_BYTE) / Math.min(cores, EXTRACTING_THREADS)
  return OURS + Math.max(archive / bandwidth, working)
}

/** @internal Exported for bench/scale. */
export const archiveBytes = (bytes: number): number => bytes * COMPRESSED

/** `python -c 'import numpy, pandas'`: `npm run bench -- starts`. */
export const USUAL_START: Start = { requests: 2372, bytes: 43.6e6, cpu: 0.4 }

/** Of a start from the original of which the node remembers nothing. @internal Exported for bench/scale. */
export const startSeconds = (
  { requests, bytes, cpu }: Start,
  { lookUp, bandwidth }: Pick<Site, 'lookUp' | 'bandwidth'>,
): number => cpu + requests * lookUp + bytes / bandwidth

/** Whether a copy is worth its stage. */
export interface Payback {
  /** Milliseconds that a look-up in the original takes. */
  lookUpMs: number
  /** By how much a usual start from the copy is faster. */
  gainSeconds: number
  /** What the stage takes, or took. */
  stageSeconds: number
  pays: boolean
}

/** A stage pays if so many usual starts earn it back: hardly anybody starts more programs from one copy by hand. */
export const USUAL_STARTS_TO_PAY = 10

/**
 * Counts look-ups alone: what a start reads is remembered after the first one, whether it was read from the original or from the
 * copy. A small environment has not enough files for a usual start. A stage that packs does so for those that follow, too: what
 * has to be earned back is a later one.
 * @param made what the stage takes, or took
 */
export function paybackOf(amount: Pick<Amount, 'files' | 'bytes'>, site: Site, made: number): Payback {
  const requests = Math.min(USUAL_START.requests, amount.files * REQUESTS_OF_ENTRY)
  const gainSeconds = requests * site.lookUp
  const toEarn = Math.min(made, laterStageSeconds(amount, site))
  return {
    lookUpMs: site.lookUp * 1000,
    gainSeconds,
    stageSeconds: made,
    pays: gainSeconds * USUAL_STARTS_TO_PAY >= toEarn,
  }
}
