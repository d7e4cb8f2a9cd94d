/** What the tables of docs/scale.md are made from. That page has the sources. */
import type { Amount } from '../../src/model/cost.ts'
import type { Cluster } from './cluster.ts'

/** The bench's environment `real`: `npm run bench`. */
export const REAL: Amount = { entries: 31_000, files: 27_863, bytes: 563e6 }

/** A cluster with Lustre and 10 Gbit/s between nodes. */
export const LUSTRE: Omit<Cluster, 'nodes'> = {
  lookUp: 0.5e-3,
  bandwidth: 1.25e9,
  cores: 32,
  serverRequests: 100e3,
  serverBandwidth: 20e9,
  link: 1.25e9,
  disk: 500e6,
  treeWidth: 8,
  block: 8 * 2 ** 20,
  message: 1e-3,
  sendsProgram: false,
  spread: 0.1,
  stragglers: 1 / 2000,
  straggling: 5,
}

export const NODES = [1, 8, 100, 1000, 5310, 10_000] as const
