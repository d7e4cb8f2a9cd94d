/**
 * Tests run this in a process of its own. It changes an environment, argv[2], every argv[4] ms at most, until its standard input ends: files are replaced,
 * written to, removed and added. Each says by itself which version it is, and whether it is one at all: see `isOneVersion`.
 */
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../kills/random.ts'
import { contentOf, LARGE, SMALL } from './versions.ts'

const [prefix, seed, pace] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])]
const random = new Random(seed)
let isOver = false
process.stdin
  .on('end', () => {
    isOver = true
  })
  .resume()

const nameOf = (n: number): string => `${prefix}/share/d${n % 7}/f${n}`

function change(version: number): void {
  const file = nameOf(random.below(SMALL))
  const kind = random.oneOf(['replace', 'replace', 'large', 'add', 'remove'] as const)
  if (kind === 'replace') {
    writeFileSync(`${prefix}/share/.aside`, contentOf(version))
    renameSync(`${prefix}/share/.aside`, file)
  } else if (kind === 'large') {
    const fd = openSync(`${prefix}/lib/large`, 'r+')
    writeSync(fd, contentOf(version, LARGE), 0, LARGE, 0)
    closeSync(fd)
  } else if (kind === 'add') {
    const folder = `${prefix}/share/new${random.below(5)}`
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/.aside`, contentOf(version))
    renameSync(`${folder}/.aside`, `${folder}/f${version}`)
  } else rmSync(`${prefix}/share/new${random.below(5)}`, { recursive: true, force: true })
}

for (let version = 1; !isOver; version++) {
  change(version)
  await sleep(random.below(pace))
}
