/** What an environment costs on many nodes, with and without staging, by formulas. simulate.ts finds the same by events. */
import {
  type Amount,
  archiveBytes,
  laterStageSeconds,
  type Site,
  type Start,
  startSeconds,
} from '../../src/model/cost.ts'

/** Nodes that do the same at the same time, and their file servers. Bytes and requests are a second. */
export interface Cluster extends Site {
  nodes: number
  /** Requests that all metadata servers together answer. */
  serverRequests: number
  /** Bytes that all data servers together deliver. */
  serverBandwidth: number
  /** Bytes from node to node. */
  link: number
  /** Bytes onto a node's own disk. */
  disk: number
  /** Nodes to which each one passes a block, and bytes of a block. */
  treeWidth: number
  block: number
  /** Seconds that a message takes from node to node, however small. */
  message: number
  /** Whether our program goes the way of the archive. Otherwise each node reads it from the file servers. */
  sendsProgram: boolean
  /** Spread of a node's speed (standard deviation of its logarithm), the share of stragglers, and how many times slower they are. */
  spread: number
  stragglers: number
  straggling: number
}

/** What a cold start of our program asks for, on each node: `npm run bench -- start`. Its CPU time is part of the stage. */
export const PROGRAM: Start = { requests: 25, bytes: 41e6, cpu: 0 }
/** Requests of the freshness check, on one node: `npm run bench -- freshness`. */
const CHECK_REQUESTS = 33

export interface Staging {
  /** Seconds until our program runs on each node: read from the file servers by all, or sent as the archive is. */
  program: number
  /** Seconds until the archive is on each node's disk. */
  transfer: number
  /** Seconds until the slowest node has extracted it. */
  extraction: number
  /** Seconds of the slowest node's first start from the copy. */
  start: number
}

export function staging(amount: Amount, start: Start, cluster: Cluster): Staging {
  const slowest = slowestOf(cluster)
  return {
    program: cluster.sendsProgram ? transferSeconds(PROGRAM.bytes, cluster) : startFromOriginal(PROGRAM, cluster),
    transfer: transferSeconds(archiveBytes(amount.bytes), cluster),
    extraction: laterStageSeconds(amount, { ...cluster, bandwidth: cluster.disk }) * slowest,
    start: start.cpu * slowest,
  }
}

/** Until the last node has started from the original: it waits for its own requests, or for the servers. */
export function startFromOriginal(start: Start, cluster: Cluster): number {
  const { nodes, serverRequests, serverBandwidth } = cluster
  return Math.max(
    startSeconds(start, cluster) * slowestOf(cluster),
    (nodes * start.requests) / serverRequests,
    (nodes * start.bytes) / serverBandwidth,
  )
}

/** What the file servers are asked for with staging. */
export function demandOf({ bytes }: Amount, { nodes, sendsProgram }: Cluster): { requests: number; bytes: number } {
  const readers = sendsProgram ? 1 : nodes
  return { requests: readers * PROGRAM.requests + CHECK_REQUESTS, bytes: readers * PROGRAM.bytes + archiveBytes(bytes) }
}

/**
 * Block by block: each is read, passed down the tree by nodes that have all of it, written, and acknowledged by every node before
 * the next one follows (Slurm's src/bcast/file_bcast.c).
 */
export function transferSeconds(bytes: number, cluster: Cluster): number {
  const blocks = Math.ceil(bytes / cluster.block)
  const size = bytes / blocks
  const written = (size / cluster.disk) * slowestOf(cluster)
  return blocks * (size / cluster.bandwidth + blockSeconds(size, cluster.nodes, cluster) + written)
}

/** Until the lowest of so many nodes have a block, and back. */
function blockSeconds(size: number, nodes: number, cluster: Cluster): number {
  if (nodes === 0) return 0
  const children = Math.min(nodes, cluster.treeWidth)
  const below = Math.ceil(nodes / children) - 1
  return (children * size) / cluster.link + 2 * cluster.message + blockSeconds(size, below, cluster)
}

/** By which factor the slowest of the nodes is slower: the usual extreme of so many, or a straggler if there is more likely one than none. */
export function slowestOf({ nodes, spread, stragglers, straggling }: Cluster): number {
  return nodes * stragglers >= Math.LN2 ? straggling : Math.exp(spread * Math.sqrt(2 * Math.log(nodes)))
}
