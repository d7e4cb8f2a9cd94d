import * as v from 'valibot'
import type { ArchivedEntry, ArchivedFile, ArchiveHead, ArchiveIndex, WatchedEntry } from '../../model/archive-index.ts'
import type { BytePath } from '../../model/byte-path.ts'
import { joinTime, splitTime } from '../../model/times.ts'
import { chooseSpotChecks, isWatched } from '../../model/watched.ts'
import { wrongPath } from '../read/member.ts'
import { parseJson } from './parse-json.ts'

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const path = v.pipe(
  v.string(),
  v.check(
    (text) => text === '' || (wrongPath(text) === undefined && !/[^\0-\xff]/.test(text)),
    'a path that leads out',
  ),
)
const shortText = v.pipe(v.string(), v.maxLength(255))

const Head = v.object({
  generator: shortText,
  platform: shortText,
  // The last part of a path.
  name: v.pipe(shortText, v.regex(/^(?!\.\.?$)[^/\0]*$/)),
  // --dest-prefix may be a text that is no path.
  prefixes: v.pipe(v.array(v.pipe(v.string(), v.regex(/^[^\0]{1,4095}$/))), v.minLength(1), v.maxLength(100)),
  siblings: v.optional(v.array(v.nullable(v.array(v.string())))),
  created: shortText,
  whole: v.optional(v.object({ level: size })),
  relocated: v.optional(
    v.object({
      prefix: v.pipe(v.string(), v.regex(/^\/[^\0]{1,4094}$/)),
      launcher: v.string(),
      warnings: v.array(v.string()),
      digests: v.record(v.string(), v.string()),
    }),
  ),
  totals: v.object({ entries: size, files: size, bytes: size, frames: size }),
  // One tuple each: path, type, mode, size, whole seconds and nanoseconds of the mtime.
  watched: v.array(
    v.strictTuple([
      path,
      v.picklist(['directory', 'file', 'symlink']),
      size,
      size,
      v.pipe(v.number(), v.safeInteger()),
      size,
    ]),
  ),
  // Paths in `watched`. Archives of earlier programs have none.
  spotChecks: v.optional(v.array(path), []),
})

export function encodeHead(index: ArchiveIndex): Buffer {
  const { generator, platform, name, prefixes, siblings, created, whole, relocated, entries } = index
  const spotChecks = chooseSpotChecks(entries)
  const watched = watchedEntries(entries, new Set(spotChecks)).map(({ path, type, mode, size, mtimeNs }) => {
    const [seconds, nanos] = splitTime(mtimeNs)
    return [path, type, mode, size, seconds, nanos] as [string, WatchedEntry['type'], number, number, number, number]
  })
  const head: v.InferOutput<typeof Head> = {
    generator,
    platform,
    name,
    prefixes,
    ...(siblings && { siblings: siblings.map((ends) => ends && [...ends]) }),
    created,
    ...(whole && { whole }),
    ...(relocated && { relocated }),
    totals: totalsOf(index),
    watched,
    spotChecks,
  }
  return Buffer.from(JSON.stringify(head))
}

type DecodedHead = Omit<ArchiveHead, 'version' | 'format'>

/** Throws if these are not bytes that encodeHead writes. */
export const decodeHead = (bytes: Buffer): DecodedHead => headOf(v.parse(Head, parseJson(bytes), { abortEarly: true }))

/** The same without a check, which takes 2 ms: for bytes that nobody but this user could write. */
export const decodeOwnHead = (bytes: Buffer): DecodedHead => headOf(JSON.parse(bytes.toString()))

function headOf(head: v.InferOutput<typeof Head>): DecodedHead {
  const watched = head.watched.map(([path, type, mode, size, seconds, nanos]) => {
    return { path, type, mode, size, mtimeNs: joinTime(seconds, nanos) }
  })
  const { whole, siblings, relocated, ...others } = head
  return {
    ...others,
    ...(siblings && { siblings }),
    ...(whole && { whole }),
    ...(relocated && { relocated }),
    watched,
  }
}

function watchedEntries(entries: readonly ArchivedEntry[], spotChecks: ReadonlySet<BytePath>): WatchedEntry[] {
  const files = new Map<BytePath, ArchivedFile>()
  for (const entry of entries) if (entry.type === 'file') files.set(entry.path, entry)
  const watched: WatchedEntry[] = []
  for (const entry of entries) {
    if (!isWatched(entry.path) && !spotChecks.has(entry.path)) continue
    const { path, mode, mtimeNs } = entry
    if (entry.type === 'directory') watched.push({ path, type: 'directory', mode, size: 0, mtimeNs })
    else if (entry.type === 'symlink') watched.push({ path, type: 'symlink', mode, size: entry.target.length, mtimeNs })
    else {
      const size = entry.type === 'file' ? entry.size : (files.get(entry.target)?.size ?? 0)
      watched.push({ path, type: 'file', mode, size, mtimeNs })
    }
  }
  return watched
}

export function totalsOf({ entries, frames }: Pick<ArchiveIndex, 'entries' | 'frames'>): ArchiveHead['totals'] {
  let files = 0
  let bytes = 0
  for (const entry of entries) {
    if (entry.type !== 'file') continue
    files++
    bytes += entry.size
  }
  return { entries: entries.length, files, bytes, frames: frames.length }
}
