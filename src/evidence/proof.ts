import { resolve } from 'node:path'
import { editableInstalls } from '../environment/editable.ts'
import { StageError } from '../errors.ts'
import { activePrefix } from '../model/active.ts'
import { homeOf } from '../platform/home.ts'
import { readHead } from '../platform/read-small.ts'
import { realpath } from '../platform/remote-fs.ts'
import { readKeptIndex } from '../stage/kept-index.ts'
import { folderOf } from '../stage/record.ts'
import { type Cause, type Circumstances, causeOf } from './causes.ts'
import { type Kind, placesOf } from './places.ts'
import type { FileCall } from './trace/calls.ts'
import { findTracer, type Tracer, traceCommand } from './trace/strace.ts'
import { type Copy, type EvidenceOptions, withCopy } from './with-copy.ts'

/** How often names were looked up. */
export interface Count {
  lookUps: number
  /** Of these, the names that were not there: a file server has to answer these, too. */
  notFound: number
}

/** What was asked of one file system. */
export interface AskedMount extends Count {
  kind: Kind
  fsType: string
  mountPoint: string
  /** The copy is on it. */
  hasCopy: boolean
}

/** What was asked of file servers for one reason, or of the original. */
export interface Remaining extends Count, Omit<Cause, 'folder'> {
  /** The folder that holds all of these names. */
  folder: string
  fsType: string
  mountPoint: string
  /** The names that were looked up most often. */
  examples: string[]
}

export interface Proof extends Count {
  command: readonly string[]
  /** Of the command; above 128: the signal that ended it, and 128. */
  status: number
  copy: string
  original: string
  mounts: AskedMount[]
  /** How many look-ups reached the original. */
  lookUpsOfOriginal: number
  remaining: Remaining[]
  /** Look-ups of names of which nobody knows where they are. */
  unknown: number
  /** A program can look names up in a way that shows in no trace (io_uring): there may be more look-ups than these. */
  isBlind: boolean
  /** Files of the environment, and how many of these the command has looked at. */
  files: number
  touched: number
}

/**
 * Traces a command that runs from a copy, and tells which file systems it and all that it starts ask for names.
 * @throws StageError NO_PROGRAM without strace, or if the command could not be started; NOT_TRACED; and as `stage`
 */
export async function prove(options: EvidenceOptions): Promise<Proof> {
  const tracer = await tracerFor(options)
  return await withCopy(options, (copy) => proveWith(tracer, copy, options))
}

/** The same with a copy that is there. */
export const proveFrom = async (copy: Copy, options: EvidenceOptions): Promise<Proof> =>
  await proveWith(await tracerFor(options), copy, options)

async function tracerFor({ env, cwd, prefix }: EvidenceOptions): Promise<Tracer> {
  const asked = prefix ?? activePrefix(env)
  return await findTracer(env, asked ? [resolve(cwd, asked)] : [])
}

async function proveWith(tracer: Tracer, copy: Copy, options: EvidenceOptions): Promise<Proof> {
  const { command, env, cwd, signal } = options
  const names = new Names()
  const before = await copy.into(copy.prefix)
  const { status } = await traceCommand(
    tracer,
    { before, command, env, cwd, signal },
    {
      onCall: (call) => names.add(call),
      onUnseen: () => {
        names.isBlind = true
      },
    },
  )
  await addInterpreters(names)
  if (names.total === 0)
    throw new StageError('NO_PROGRAM', `${command[0]} could not be started in ${copy.prefix}`, {
      path: copy.prefix,
      hint: 'Give the command after --, as you would in the activated environment.',
    })
  return { command, status, copy: copy.prefix, original: copy.original, ...(await evaluated(names, copy, options)) }
}

/** What a program asked for, each name once. */
class Names {
  total = 0
  notFound = 0
  unknown = 0
  /** Something was looked up in a way that shows in no trace. */
  isBlind = false
  /** Programs and scripts, once for each start. */
  readonly started: string[] = []
  private readonly byPath = new Map<string, Count & { path: string; follows: boolean; succeeded: boolean }>()

  add({ name, path, follows, found, succeeded }: FileCall): void {
    this.total++
    if (!found) this.notFound++
    if (path === undefined) {
      this.unknown++
      return
    }
    if (succeeded && name.startsWith('execve')) this.started.push(path)
    const key = `${follows ? 'f' : 'l'}${path}`
    const known = this.byPath.get(key) ?? { path, follows, lookUps: 0, notFound: 0, succeeded: false }
    known.lookUps++
    if (!found) known.notFound++
    known.succeeded ||= succeeded
    this.byPath.set(key, known)
  }

  all() {
    return [...this.byPath.values()]
  }
}

/** The kernel itself looks up the interpreter that a script names in its first line. */
async function addInterpreters(names: Names): Promise<void> {
  const starts = Map.groupBy(names.started.splice(0), (path) => path)
  for (const [path, all] of starts) {
    const head = await realpath(path)
      .then((real) => readHead(real, FIRST_LINE))
      .then(String, () => '')
    const interpreter = /^#!\s*(\/\S+)/.exec(head)?.[1]
    if (interpreter === undefined) continue
    const call = { name: 'open', path: interpreter, follows: true, found: true, succeeded: true }
    for (const _ of all) names.add(call)
  }
}

/** The kernel reads no more. execve(2), "Interpreter scripts". */
const FIRST_LINE = 256

async function evaluated(names: Names, copy: Copy, options: EvidenceOptions) {
  const place = placesOf()
  const circumstances = await circumstancesOf(copy, options)
  const ownMount = (await place(circumstances.copy, true)).mount
  const mounts = new Map<string, AskedMount>()
  const remaining = new Map<string, Remaining & { names: { path: string; lookUps: number }[] }>()
  const touched = new Set<string>()
  let original = 0
  for (const { path, follows, lookUps, notFound, succeeded } of names.all()) {
    const { real, mount, kind, isFile } = await place(path, follows)
    const { fsType, mountPoint } = mount ?? { fsType: 'unknown', mountPoint: '/' }
    count(mounts, mountPoint, { lookUps, notFound }, () => ({
      kind,
      fsType,
      mountPoint,
      hasCopy: mount !== undefined && mount === ownMount,
      lookUps: 0,
      notFound: 0,
    }))
    if (isBelow(real, circumstances.copy)) {
      if (succeeded && isFile) touched.add(real)
      continue
    }
    const cause = causeOf({ path: resolve(path), real }, circumstances)
    if (cause.kind === 'original') original += lookUps
    else if (kind !== 'network') continue
    const { folder, ...why } = cause
    const group = count(remaining, `${mountPoint}\0${cause.why}\0${folder}`, { lookUps, notFound }, () => ({
      ...why,
      folder: folder ?? '',
      fsType,
      mountPoint,
      examples: [],
      names: [],
      lookUps: 0,
      notFound: 0,
    }))
    group.names.push({ path: resolve(path), lookUps })
  }
  return {
    lookUps: names.total,
    notFound: names.notFound,
    unknown: names.unknown,
    isBlind: names.isBlind,
    lookUpsOfOriginal: original,
    mounts: [...mounts.values()].sort(byLookUps),
    remaining: [...remaining.values()].map(withExamples).sort(byLookUps),
    files: copy.files,
    touched: touched.size,
  }
}

/** Adds to what has this key, and makes it if it is the first. */
function count<T extends Count>(all: Map<string, T>, key: string, { lookUps, notFound }: Count, make: () => T): T {
  const own = all.get(key) ?? make()
  own.lookUps += lookUps
  own.notFound += notFound
  all.set(key, own)
  return own
}

const byLookUps = (a: Count, b: Count): number => b.lookUps - a.lookUps

const MOST_EXAMPLES = 3

function withExamples({ names, ...group }: Remaining & { names: { path: string; lookUps: number }[] }): Remaining {
  const paths = names.sort(byNames).map(({ path }) => path)
  return { ...group, folder: group.folder || commonFolder(paths), examples: paths.slice(0, MOST_EXAMPLES) }
}

const byNames = (a: { lookUps: number }, b: { lookUps: number }): number => b.lookUps - a.lookUps

/** The deepest folder that holds all of these, or the only one of them. */
function commonFolder(paths: readonly string[]): string {
  const [first = '/', ...others] = paths.map((path) => path.split('/'))
  if (others.length === 0) return paths[0] ?? '/'
  const end = (first as string[]).findIndex((part, at) => others.some((other) => other[at] !== part))
  return (first as string[]).slice(0, end).join('/') || '/'
}

async function circumstancesOf(copy: Copy, { env, cwd, command }: EvidenceOptions): Promise<Circumstances> {
  const real = await realpath(copy.prefix).catch(() => copy.prefix)
  // The index names all spellings that the environment's files use.
  const { prefixes, entries } = await readKeptIndex(folderOf(copy.prefix)!)
  const own = await realpath(copy.original).catch(() => copy.original)
  const editable = await editableInstalls({ prefix: copy.prefix, real }, entries)
  const originals = [...new Set([copy.original, own, ...prefixes])]
  return { env, home: homeOf(env), cwd, command, copy: real, originals, editable }
}

const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`)
