/**
 * Checks that imports in src/ point down: `node scripts/floors.ts [FOLDER]`. Exits with 1 and names each import that does not.
 * The compiler itself lists the imports, so types and dynamic imports count like any other.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/**
 * The floors, the highest first. A room is a folder of src/ with the file of the same name beside it. A file imports from its own
 * room and from lower floors: never from above, never from another room of its floor.
 */
const FLOORS = [
  'bin index start',
  'cli',
  'nodes evidence', // a stage on every node of a job; benchmark, proof and diagnosis
  'pipeline',
  'conda-pack image', // other forms of an archive: conda-pack's, and images that are mounted
  'stage mount', // two ways to a local prefix: extract a copy, or mount in a private namespace
  'workers cache leases store', // store: what copies on one node have in common
  'inventory archive environment auto-stage completion modulefile wrappers', // wrappers: programs that start from the copy
  'relocate activate config',
  'platform', // calls of the system that wait, fail or tell about the machine
  'model',
  'errors',
].map((rooms) => rooms.split(' '))

interface Import {
  from: string
  to: string
}

/** What is wrong with the imports of this folder's src/, a line each. The folder needs a tsconfig.json. */
export function misdirectedImports(folder: string): string[] {
  const { files, imports } = readImports(folder)
  const unlisted = [...new Set(files.map(roomOf))].filter((room) => floorOf(room) < 0)
  if (unlisted.length > 0) return unlisted.map((room) => `src/${room} is on no floor: list it in scripts/floors.ts`)
  return [...imports.flatMap(notDownward), ...circles(imports)]
}

/** The files of src/ and what they import of ours, from the compiler's list of reasons why it reads a file. */
function readImports(folder: string): { files: string[]; imports: Import[] } {
  const args = ['--noEmit', '--noCheck', '--explainFiles', '--pretty', 'false']
  const reasons = execFileSync('tsc', args, { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 28 }).split('\n')
  const imports: Import[] = []
  let to = ''
  for (const line of reasons) {
    if (!line.startsWith(' ')) to = line
    const from = /^ +Imported via .* from file '(src\/.*?)'/.exec(line)?.[1]
    if (from && !to.includes('node_modules/')) imports.push({ from, to })
  }
  if (imports.length === 0) throw new Error(`tsc --explainFiles lists no import in ${join(folder, 'src')}`)
  return { files: reasons.filter((line) => line.startsWith('src/')), imports }
}

function notDownward({ from, to }: Import): string[] {
  if (!to.startsWith('src/')) return [`${from} -> ${to}: outside src/`]
  const [source, target] = [roomOf(from), roomOf(to)]
  if (source === target || floorOf(source) < floorOf(target)) return []
  const where = floorOf(source) === floorOf(target) ? 'on the same floor as' : 'above'
  return [`${from} -> ${to}: ${target} is ${where} ${source}`]
}

const roomOf = (file: string): string => file.split('/')[1]!.replace(/\.ts$/, '')

const floorOf = (room: string): number => FLOORS.findIndex((rooms) => rooms.includes(room))

/** One circle for each import that closes one, as a depth-first walk meets them. */
function circles(imports: Import[]): string[] {
  const targets = Map.groupBy(imports, ({ from }) => from)
  const found: string[] = []
  const done = new Set<string>()
  const walk = (file: string, path: string[]): void => {
    const start = path.indexOf(file)
    if (start >= 0) found.push(`circle: ${[...path.slice(start), file].join(' -> ')}`)
    if (start >= 0 || done.has(file)) return
    for (const { to } of targets.get(file) ?? []) walk(to, [...path, file])
    done.add(file)
  }
  for (const file of targets.keys()) walk(file, [])
  return found
}

if (import.meta.main) {
  const problems = misdirectedImports(process.argv[2] ?? join(import.meta.dirname, '..'))
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.exitCode = problems.length > 0 ? 1 : 0
}
