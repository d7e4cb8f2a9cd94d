import { basename } from 'node:path'
import { readHead } from '../platform/read-small.ts'
import { readdir, readlink, stat } from '../platform/remote-fs.ts'
import type { Environment } from './find.ts'

/** Files of each kind that are looked into: those of one installation spell the prefix alike. At most 22 are opened in all. */
const RECORDS = 2
const HOOKS = 2
const SCRIPTS = 16
/** Bytes of each. In a record, its package's folder in conda's cache comes before its lists of files. */
const HEAD = { history: 64 * 1024, record: 16 * 1024, script: 1024 }
/** Each further spelling is looked for in every file. */
const MOST = 4
/** Paths that are looked up: some five are usual. */
const MOST_CANDIDATES = 256
/** A file may name a file server that is gone. Milliseconds. */
const PATIENCE_MS = 1000

/**
 * Finds spellings of the prefix, other than the logical and the real one, that the environment's files use: it may have been
 * made under a home that is a link, or by another mount. They show in conda's history and records, in the first lines of
 * scripts, in links, and in the session's variables. Only some files are read, since this comes before every packing.
 */
export async function withSpellings(environment: Environment, variables: Variables): Promise<Environment> {
  const { prefix, real } = environment
  const texts = await Promise.all([
    headOf(`${prefix}/conda-meta/history`, HEAD.history),
    recordsOf(prefix),
    filesOf(prefix),
  ])
  const { HOME, CONDA_PREFIX, CONDA_EXE } = variables
  const named = [CONDA_PREFIX ?? '', CONDA_EXE ?? '', ...texts.flat()].flatMap((text) =>
    candidatesIn(text, environment),
  )
  const isNew = (path: string) => path !== prefix && path !== real && !isBelow(path, prefix) && !isBelow(path, real)
  const candidates = [...new Set([...belowHome(HOME, real), ...named].map((path) => path.replace(/^\/+/, '/')))]
    .filter(isNew)
    .slice(0, MOST_CANDIDATES)
  if (candidates.length === 0) return environment
  const own = await identityOf(real)
  const identities = await Promise.all(candidates.map(identityOf))
  const spellings = candidates.filter((_, at) => own !== undefined && identities[at] === own)
  return { ...environment, spellings: spellings.sort().slice(0, MOST) }
}

type Variables = Readonly<Record<string, string | undefined>>

/** Where the prefix would be if one of the folders above it were the home. */
function belowHome(home: string | undefined, real: string): string[] {
  if (!home?.startsWith('/') || isBelow(real, home)) return []
  const parts = real.split('/')
  return parts.slice(2).map((_, at) => [home.replace(/\/+$/, ''), ...parts.slice(at + 2)].join('/'))
}

async function recordsOf(prefix: string): Promise<string[]> {
  const names = await readdir(`${prefix}/conda-meta`).catch(() => [])
  const records = spread(names.filter((name) => name.endsWith('.json')).sort(), RECORDS)
  return await Promise.all(records.map((name) => headOf(`${prefix}/conda-meta/${name}`, HEAD.record)))
}

/** Beginnings of scripts and targets of links. */
async function filesOf(prefix: string): Promise<string[]> {
  const list = (folder: string) => readdir(`${prefix}/${folder}`, { withFileTypes: true }).catch(() => [])
  const [bin, hooks] = await Promise.all([list('bin'), list(ACTIVATE)])
  const named = (names: { name: string }[]) => names.map(({ name }) => name).sort()
  const files = named(bin.filter((one) => one.isFile()))
  // Programs are in `bin` too; these are scripts.
  const scripts = files.filter((name) => SCRIPT.test(name))
  const others = files.filter((name) => !SCRIPT.test(name))
  const links = spread(named(bin.filter((one) => one.isSymbolicLink())), SCRIPTS)
  const chosen = [
    ...[...spread(scripts, SCRIPTS / 2), ...spread(others, SCRIPTS / 2)].map((name) => `bin/${name}`),
    ...spread(named(hooks), HOOKS).map((name) => `${ACTIVATE}/${name}`),
    'share/jupyter/kernels/python3/kernel.json',
  ]
  return await Promise.all([
    ...chosen.map((path) => headOf(`${prefix}/${path}`, HEAD.script)),
    ...links.map((name) => readlink(`${prefix}/bin/${name}`).catch(() => '')),
  ])
}

const ACTIVATE = 'etc/conda/activate.d'
const SCRIPT = /^(?:pip|conda|ipython|jupyter|wheel|2to3|pydoc|idle)|-config$|\.py$/

/** So many of them, taken evenly. */
const spread = <T>(all: readonly T[], count: number): T[] =>
  all.length <= count ? [...all] : Array.from({ length: count }, (_, at) => all[Math.floor((at * all.length) / count)]!)

/** Empty if it can't be read: packing reports what is wrong with the file. */
const headOf = (path: string, bytes: number): Promise<string> => readHead(path, bytes).then(String, () => '')

/**
 * Paths in a text that may be the prefix: by its name, by a folder that environments have, as conda's argument, or because conda
 * puts environments there, beside its own program and package cache.
 */
function candidatesIn(text: string, { prefix, real }: Environment): string[] {
  const names = new Set([basename(prefix), basename(real)])
  const found: string[] = []
  for (const [path] of [...text.matchAll(ABSOLUTE), ...text.matchAll(QUOTED)]) {
    const root = /^(.+)\/(?:pkgs\/|(?:bin|condabin)\/(?:conda|mamba|micromamba)$)/.exec(path)?.[1]
    for (const name of names) {
      if (root !== undefined) found.push(`${root}/envs/${name}`)
      for (let at = path.indexOf(`/${name}`); at !== -1; at = path.indexOf(`/${name}`, at + 1)) {
        const end = at + 1 + name.length
        if (end === path.length || path[end] === '/') found.push(path.slice(0, end))
      }
    }
    const folder = /^(\/.+?)\/(?:bin|lib|etc|share|include|conda-meta)(?:\/|$)/.exec(path)?.[1]
    if (folder !== undefined) found.push(folder)
  }
  for (const [, path] of text.matchAll(NAMED)) found.push(path!)
  return found
}

/** `P/../x` is not below P. */
const isBelow = (path: string, folder: string): boolean => path.startsWith(`${folder}/`) && !path.includes('/../')

/** An absolute path. It may follow `file://`, but the address of another server is no path. */
const ABSOLUTE = /(?:(?<![\w/.~$})-])(?!(?<=:)\/\/)|(?<=file:\/\/))\/[^\s"'`:;,<>()[\]{}|&$!*?#=\\\0]+/g
/** The prefix in a command of conda's. */
const NAMED = /(?:^|\s)(?:-p|--prefix)[ =](\/\S+)/g
/** With blanks in it, it needs quotes. */
const QUOTED = /(?<=["'])\/[^"'\n\0]+(?=["'])/g

/** Device and inode: another mount of a folder has the same. `undefined` if there is no such folder, or no answer. */
async function identityOf(path: string): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const impatience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE_MS)
  })
  const found = stat(path, { bigint: true }).then(
    (stats) => (stats.isDirectory() ? `${stats.dev}:${stats.ino}` : undefined),
    () => undefined,
  )
  try {
    return await Promise.race([found, impatience])
  } finally {
    clearTimeout(timer)
  }
}
