// Loaded into the program before its own modules: names that hold random characters or the process's number are the same in every
// run then, and strace can be told the paths of the calls that shall fail.
import crypto from 'node:crypto'
import path from 'node:path'

const drawn = new Map<string, number>()

function next(kind: string): number {
  const count = (drawn.get(kind) ?? 0) + 1
  drawn.set(kind, count)
  return crypto.createHash('sha256').update(`${process.env.NAMES_SEED} ${kind} ${count}`).digest().readUInt32LE()
}

Object.assign(crypto, {
  randomInt: (end: number) => next(`below ${end}`) % end,
  randomBytes: (size: number) => Buffer.alloc(size, next(`bytes ${size}`).toString(16).padStart(8, '0'), 'hex'),
})

/** No process ever has this number, so an archive's temporary file counts as a dead process's. */
const NOBODY = 5_000_000
const { join } = path
Object.assign(path, {
  join: (...parts: string[]) => join(...parts.map((part) => part.replace(/^(\.tmp\..*)-\d+-/, `$1-${NOBODY}-`))),
})
