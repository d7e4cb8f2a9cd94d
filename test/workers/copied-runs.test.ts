import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeArchive } from '../../src/archive/writer.ts'
import { listTree } from '../../src/inventory/list.ts'
import type { BytePath } from '../../src/model/byte-path.ts'
import { PrefixScanner } from '../../src/relocate/scan.ts'
import { DirectStage } from '../../src/stage/direct-stage.ts'
import type { Copies } from '../../src/workers/copied-runs.ts'
import { packedItems } from '../../src/workers/packed-items.ts'
import { FrameWorkers } from '../../src/workers/pool.ts'
import { RunPacker } from '../../src/workers/run-packer.ts'
import { contentsOf, HEADER, run, workFolder } from '../archive/support.ts'
import { NONE } from '../inventory/prefix.ts'

const NOISE = randomBytes(2 ** 20)

/** Files for a few frames. */
async function environment(t: TestContext): Promise<string> {
  const prefix = await workFolder(t)
  mkdirSync(join(prefix, 'lib'))
  for (let n = 0; n < 120; n++) writeFileSync(join(prefix, 'lib', `f${n}`), NOISE.subarray(n, n * 900))
  return prefix
}

/** Packs copies, and makes a stage of them. `spoil` gets the path of each copy before it is packed. */
async function stageFromCopies(t: TestContext, prefix: string, spoil: (path: BytePath, copy: string) => void) {
  const [folder, root] = [await workFolder(t), join(await workFolder(t), 'tree')]
  const workers = new FrameWorkers(2)
  const room = { bytes: 2 ** 30, inodes: 2 ** 20 }
  const stage = new DirectStage({ root, prefix, from: [prefix], readOnly: false, room, workers })
  try {
    const made = stage.copiesOf(prefix)
    const copies: Copies = {
      async take(path) {
        const copied = await made.take(path)
        if (copied?.isThere) spoil(path, join(root, path))
        return copied
      },
      discard: (path) => made.discard(path),
      report: (report) => made.report(report),
    }
    const { entries } = await listTree({ prefix }, { isExcluded: NONE, onFolder: made.folder })
    stage.listed(entries)
    const order = { prefix, prefixes: [prefix], root: '', format: 'tar.zst', level: 3 } as const
    const packer = new RunPacker({ ...order, workers, threads: 2, stage, shareContent: false })
    const read = { makeScanner: (entry: { path: string; size: number }) => new PrefixScanner([prefix], entry) }
    const path = join(folder, 'archive.tar.zst')
    const items = packedItems({ prefix }, entries, { packer, copies, read })
    const header = { ...HEADER, prefixes: [prefix] }
    const takeFrame = stage.takeFrame
    const { index } = await writeArchive({ path, format: 'tar.zst', threads: 2, header, items, takeFrame })
    await stage.finish(index)
    return { root, contents: contentsOf(path, index) }
  } finally {
    await stage.stop()
    await workers.end()
  }
}

test('a copy that the disk cut short, lost or made longer is replaced: archive and stage have the file as it is', async (t) => {
  const prefix = await environment(t)
  const spoilt: string[] = []
  const { root, contents } = await stageFromCopies(t, prefix, (path, copy) => {
    if (!/f(?:7|50|90|119)$/.test(path)) return
    spoilt.push(path)
    if (path.endsWith('7')) truncateSync(copy, 100)
    else if (path.endsWith('0')) rmSync(copy)
    else truncateSync(copy, 2_000_000)
  })
  assert.equal(spoilt.length, 4)
  await run('diff', ['-r', prefix, root])
  for (const path of spoilt) assert.equal(contents.get(path)!.length, Number(path.slice(5)) * 899)
})

test('of two names of one file, the first by path has the content, whichever was copied first', async (t) => {
  const prefix = await environment(t)
  for (const n of [3, 77]) linkSync(join(prefix, `lib/f${n}`), join(prefix, `lib/again-${n}`))
  chmodSync(join(prefix, 'lib/f3'), 0o400)
  const { root } = await stageFromCopies(t, prefix, () => {})
  await run('diff', ['-r', prefix, root])
  const { stdout } = await run('find', [root, '-type', 'f', '-links', '2', '-printf', '%P\n'])
  assert.deepEqual(stdout.trim().split('\n').sort(), ['lib/again-3', 'lib/again-77', 'lib/f3', 'lib/f77'])
})
