/** The same as cluster.ts by events: nodes of different speeds, and servers with one queue each. The same seed gives the same. */
import { type Amount, archiveBytes, laterStageSeconds, type Start } from '../../src/model/cost.ts'
import { type Cluster, PROGRAM, type Staging } from './cluster.ts'
import { Events } from './events.ts'
import { randomFrom } from './random.ts'

/** Requests and reads of a start are made in so many parts: each part of one node waits behind parts of the others. */
const PARTS = 20

/** Serves one after the other, in the order in which they come. */
class Server {
  readonly rate: number
  served = 0
  /** Seconds. */
  busy = 0
  idle = 0
  #freeAt = 0

  constructor(rate: number) {
    this.rate = rate
  }

  /** When so many are served that come now. */
  serve(amount: number, now: number): number {
    this.idle += Math.max(0, now - this.#freeAt)
    this.#freeAt = Math.max(now, this.#freeAt) + amount / this.rate
    this.busy += amount / this.rate
    this.served += amount
    return this.#freeAt
  }
}

export interface Simulated {
  /** Until the last node has started. */
  seconds: number
  metadata: Pick<Server, 'served' | 'busy' | 'idle'>
  data: Pick<Server, 'served' | 'busy' | 'idle'>
}

/** All nodes start from the original at the same time. */
export function simulateStart(start: Start, cluster: Cluster, seed = 1): Simulated {
  const slowness = slownessOf(cluster, seed)
  const [metadata, data] = [new Server(cluster.serverRequests), new Server(cluster.serverBandwidth)]
  const events = new Events<{ node: number; part: number; step: 'ask' | 'read' }>()
  for (let node = 0; node < cluster.nodes; node++) events.add(0, { node, part: 0, step: 'ask' })
  const [requests, bytes, cpu] = [start.requests / PARTS, start.bytes / PARTS, start.cpu / PARTS]
  let seconds = 0
  for (let event = events.next(); event; event = events.next()) {
    const { at, what } = event
    const { node, part, step } = what
    const slow = slowness[node]!
    if (step === 'ask') {
      const answered = Math.max(metadata.serve(requests, at), at + requests * cluster.lookUp * slow)
      events.add(answered, { node, part, step: 'read' })
    } else {
      const read = Math.max(data.serve(bytes, at), at + (bytes / cluster.bandwidth) * slow)
      const done = read + cpu * slow
      seconds = Math.max(seconds, done)
      if (part + 1 < PARTS) events.add(done, { node, part: part + 1, step: 'ask' })
    }
  }
  return { seconds, metadata, data }
}

/** The archive goes out to all nodes; each extracts it, and starts from the copy. */
export function simulateStaging(amount: Amount, start: Start, cluster: Cluster, seed = 1): Staging {
  const slowness = slownessOf(cluster, seed)
  const transfer = simulateTransfer(archiveBytes(amount.bytes), cluster, slowness)
  const extraction = laterStageSeconds(amount, { ...cluster, bandwidth: cluster.disk })
  const slowest = slowness.reduce((most, slow) => Math.max(most, slow), 0)
  const program = cluster.sendsProgram
    ? simulateTransfer(PROGRAM.bytes, cluster, slowness)
    : simulateStart(PROGRAM, cluster, seed).seconds
  return { program, transfer, extraction: extraction * slowest, start: start.cpu * slowest }
}

function simulateTransfer(bytes: number, cluster: Cluster, slowness: readonly number[]): number {
  const { bandwidth, link, disk, message, treeWidth, block } = cluster
  const blocks = Math.ceil(bytes / block)
  const size = bytes / blocks
  /** When nodes `from` to `to` have a block that their parent has, and the parent knows it. */
  const passOn = (from: number, to: number, now: number): number => {
    const count = to - from
    const children = Math.min(count, treeWidth)
    let [sent, known] = [now, now]
    for (let child = 0; child < children; child++) {
      const [first, end] = [
        from + Math.floor((count * child) / children),
        from + Math.floor((count * (child + 1)) / children),
      ]
      sent += size / link
      const arrived = sent + message * slowness[first]!
      const written = arrived + (size / disk) * slowness[first]!
      const below = first + 1 < end ? passOn(first + 1, end, arrived) : arrived
      known = Math.max(known, Math.max(written, below) + message)
    }
    return known
  }
  let now = 0
  for (let done = 0; done < blocks; done++) now = passOn(0, cluster.nodes, now + size / bandwidth)
  return now
}

/** How many times slower than the usual each node is. */
function slownessOf({ nodes, spread, stragglers, straggling }: Cluster, seed: number): number[] {
  const random = randomFrom(seed)
  return Array.from({ length: nodes }, () => {
    // Two uniform numbers make a normal one (Box and Muller).
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return random() < stragglers ? straggling : Math.exp(spread * normal)
  })
}
