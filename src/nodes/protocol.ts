import * as v from 'valibot'
import { ENVIRONMENT_KINDS } from '../model/kind.ts'

/**
 * What the head, which the user's shell called, and our process on each node say to each other, a line of JSON each. The plan
 * holds all that a node needs: it never looks at the original, nor at the archive on the shared file system.
 */
const Order = v.variant('kind', [
  v.object({
    kind: v.literal('stage'),
    /** Of conda-stage. A node with another one is refused. */
    version: v.string(),
    /** Tells this call from others: letters and digits that nobody can guess. */
    call: v.string(),
    /** Of the CPU and the system, such as `linux-x64`. */
    platform: v.string(),
    /** The job, or undefined outside of jobs. */
    job: v.optional(v.object({ variable: v.string(), id: v.string() })),
    environment: v.object({
      kind: v.picklist(ENVIRONMENT_KINDS),
      prefix: v.string(),
      real: v.string(),
      name: v.string(),
      isBase: v.boolean(),
      ownerUid: v.number(),
    }),
    /** `named`: by the user, so a missing one is made. `real`: with symbolic links resolved; it must be so on each node. */
    local: v.object({ path: v.string(), real: v.string(), named: v.boolean() }),
    /** `LOCAL/conda-stage_TOKEN`, and the staged prefix in it. */
    place: v.object({ folder: v.string(), prefix: v.string() }),
    /** `identity`: the digest of its index. */
    archive: v.object({ path: v.string(), size: v.number(), created: v.string(), identity: v.string() }),
    /** Of the archive's index, if the copy is of the archive alone. */
    alone: v.optional(v.string()),
    /** Of the copy. */
    needed: v.object({ bytes: v.number(), inodes: v.number() }),
    /** null: until somebody removes it. */
    keepMinutes: v.nullable(v.number()),
    threads: v.optional(v.number()),
    /** Where a node that needs the archive finds it when the head says `go`. Missing: it need not make a folder for it. */
    received: v.optional(v.object({ folder: v.string(), file: v.string() })),
  }),
  /** Give back what the call took, and remove the copy unless others use it. The first and last word to a node. */
  v.object({ kind: v.literal('unstage'), call: v.string(), prefix: v.string() }),
  /** The bytes of the archive follow, for the file where the node waits for it. */
  v.object({ kind: v.literal('archive') }),
  /** The archive is there: make the copy. Nodes that have it already do nothing. */
  v.object({ kind: v.literal('go') }),
  /** What was made stays. The node's process ends, and so it does after `undo`. */
  v.object({ kind: v.literal('keep'), nodes: v.optional(v.array(v.string())) }),
  /** Give back and remove what this call made or took. The end of the head, and so of standard input, means the same. */
  v.object({ kind: v.literal('undo'), nodes: v.optional(v.array(v.string())) }),
])

const Failure = v.object({
  code: v.string(),
  message: v.string(),
  hint: v.optional(v.string()),
  lines: v.optional(v.array(v.string())),
})

const Answer = v.variant('kind', [
  /** `has`: it has joined the copy. `needs`: it waits for the archive. `step`: of the scheduler, for the transfer. */
  v.object({ kind: v.literal('hello'), state: v.picklist(['has', 'needs']), step: v.optional(v.string()) }),
  v.object({
    kind: v.literal('progress'),
    files: v.number(),
    totalFiles: v.number(),
    bytes: v.number(),
    totalBytes: v.number(),
  }),
  /** For people, as the ProgressEvent of that kind. */
  v.object({ kind: v.picklist(['warning', 'detail', 'debug']), message: v.string() }),
  /** The copy is there, and this call has a lease of it. */
  v.object({ kind: v.literal('done') }),
  /** This call has no lease any more. The copy is gone, unless others use it. */
  v.object({ kind: v.literal('left') }),
  /** The node is alive, whatever it waits for. */
  v.object({ kind: v.literal('beat') }),
  v.object({ kind: v.literal('failed'), error: Failure }),
])

export type Order = v.InferOutput<typeof Order>
export type StageOrder = Extract<Order, { kind: 'stage' }>
export type Answer = v.InferOutput<typeof Answer>
export type NodeFailure = v.InferOutput<typeof Failure>

export const encodeOrder = (order: Order): string => `${JSON.stringify(order)}\n`

/** @throws if it is none of ours */
export const decodeOrder = (line: string): Order => v.parse(Order, JSON.parse(line))

/**
 * Begins each line of an answer: prologs of sites print what they like. Then follow the node's name, a sign (`+` if the answer
 * goes on in this node's next line) and a piece of JSON.
 */
const MARK = '@conda-stage'
/** slurmstepd cuts lines of 1,024 bytes, and then mixes those of several nodes. */
const LONGEST_PIECE = 700

/** All but ASCII is escaped, so a piece can't end within a character. */
export function encodeAnswer(node: string, answer: Answer): string {
  const json = JSON.stringify(answer).replace(
    /[^\0-\x7f]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  const pieces = json.match(new RegExp(`.{1,${LONGEST_PIECE}}`, 'g')) ?? []
  return pieces.map((piece, at) => `${MARK} ${node} ${at + 1 < pieces.length ? '+' : '.'}${piece}\n`).join('')
}

/** Puts the answers of several nodes together again. */
export class AnswerReader {
  readonly #begun = new Map<string, string>()

  /** @returns undefined if the line completes no answer, or is none of ours */
  read(line: string): { node: string; answer: Answer } | undefined {
    const [mark, node = '', ...rest] = line.split(' ')
    const piece = rest.join(' ')
    if (mark !== MARK || !/^[+.]/.test(piece)) return undefined
    const json = (this.#begun.get(node) ?? '') + piece.slice(1)
    if (piece.startsWith('+')) this.#begun.set(node, json)
    else this.#begun.delete(node)
    if (piece.startsWith('+')) return undefined
    try {
      return { node, answer: v.parse(Answer, JSON.parse(json)) }
    } catch {
      return undefined
    }
  }
}
