import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  type PackOptions,
  type ProgressEvent,
  pack,
  StageError,
  type StageOptions,
  stage,
  unstage,
  verify,
} from '../../src/index.ts'
import { copiedWorld, listing, type World } from '../cli/world.ts'

const options = ({ prefix, local, env }: World): StageOptions => ({ prefix, path: local, env })

test('pack(), stage(), verify() and unstage() return what they did as values', async (context) => {
  const place = await copiedWorld(context)
  const { prefix, archive, local } = place
  const packed = await pack(options(place))
  assert.deepEqual([packed.prefix, packed.archive, packed.fresh, packed.warnings], [prefix, archive, false, []])
  const staged = await stage(options(place))
  assert.deepEqual([staged.original, staged.archive, staged.warnings], [prefix, archive, []])
  assert.equal(staged.prefix, `${staged.folder}/myjupyter`)
  const verified = await verify({ prefix: staged.prefix })
  assert.deepEqual([verified.original, verified.findings.filter(({ harmless }) => !harmless)], [prefix, []])
  assert.deepEqual(await unstage({ prefix: staged.prefix }), { original: prefix, prefix: staged.prefix })
  assert.deepEqual(readdirSync(local), [])
})

test('without a prefix, pack() takes the environment that is active in the given variables', async (context) => {
  const place = await copiedWorld(context)
  const { prefix } = await pack({ env: { ...place.env, CONDA_PREFIX: place.prefix } })
  assert.equal(prefix, place.prefix)
  await assert.rejects(pack({ env: place.env }), { name: 'StageError', code: 'NO_ENVIRONMENT' })
})

test('relative paths start from the given current folder', async (context) => {
  const place = await copiedWorld(context)
  const { prefix } = await stage({
    prefix: 'home/me/miniconda3/envs/myjupyter',
    path: 'local',
    cwd: place.root,
    env: place.env,
  })
  assert.ok(prefix.startsWith(`${place.local}/`))
  await unstage({ prefix: prefix.slice(place.root.length + 1), cwd: place.root })
})

test('progress events come in order: one phase after another, with numbers that grow up to their totals', async (context) => {
  const place = await copiedWorld(context)
  const events: ProgressEvent[] = []
  const result = await stage({ ...options(place), onProgress: (event) => events.push(event) })
  const steps = events.flatMap((event) => {
    if (event.kind === 'phase') return [event.phase]
    if (event.kind === 'done') return [`${event.phase} done`]
    return event.kind === 'progress' ? [`${event.phase} progress`] : []
  })
  const order = [
    'stage',
    'pack',
    'pack progress',
    'pack done',
    'extract',
    'extract progress',
    'extract done',
    'read-only',
  ]
  assert.deepEqual(
    steps.filter((step, index) => step !== steps[index - 1]),
    order,
  )
  for (const phase of ['pack', 'extract']) {
    const progress = events.filter((event) => event.kind === 'progress').filter((event) => event.phase === phase)
    for (const [index, { files, bytes, totalFiles, totalBytes }] of progress.entries()) {
      const before = progress[index - 1] ?? { files: 0, bytes: 0 }
      assert.ok(files >= before.files && bytes >= before.bytes && files <= totalFiles && bytes <= totalBytes)
    }
    const { files, bytes, totalFiles, totalBytes } = progress.at(-1)!
    assert.deepEqual([files, bytes, totalFiles, totalBytes], [totalFiles, totalBytes, result.files, result.bytes])
  }
  assert.ok(events.every((event) => event.kind !== 'done' || event.seconds >= 0))
})

test('one large file at the beginning does not make the total look many times larger than it is', async (context) => {
  const place = await copiedWorld(context)
  const prefix = `${place.root}/bare`
  mkdirSync(`${prefix}/conda-meta`, { recursive: true })
  for (let n = 0; n < 300; n++) writeFileSync(`${prefix}/file-${n}`, 'x'.repeat(n === 0 ? 900_000 : 10_000))
  const totals: number[] = []
  const onProgress = (event: ProgressEvent) => event.kind === 'progress' && totals.push(event.totalBytes)
  await pack({ ...options(place), prefix, onProgress })
  assert.ok(totals.length > 1 && totals.every((total) => total < 3 * totals.at(-1)!), `${totals}`)
})

test('an expected failure is a StageError with code, path and hint; a warning is an event and part of the result', async (context) => {
  const place = await copiedWorld(context)
  const error = await pack({ ...options(place), prefix: '/nowhere' }).catch((error: unknown) => error)
  assert.ok(error instanceof StageError)
  assert.deepEqual([error.code, error.path], ['NOT_AN_ENVIRONMENT', '/nowhere'])
  assert.match(error.hint!, /conda-meta/)
  writeFileSync(`${place.prefix}/conda-meta/broken-1-0.json`, '{')
  const events: string[] = []
  const { warnings } = await pack({
    ...options(place),
    onProgress: (event) => event.kind === 'warning' && events.push(event.message),
  })
  assert.deepEqual([warnings.length, warnings], [1, events])
})

test('an AbortSignal stops packing and staging with CANCELLED, and nothing half made is left', async (context) => {
  const place = await copiedWorld(context)
  const phases = ['pack', 'extract'] as const
  for (const phase of phases) {
    const controller = new AbortController()
    const before = listing(place.root)
    const onProgress = (event: ProgressEvent) => {
      if (event.kind === 'phase' && event.phase === phase) controller.abort()
    }
    const stopped = stage({ ...options(place), signal: controller.signal, onProgress })
    await assert.rejects(stopped, { name: 'StageError', code: 'CANCELLED' })
    const after = listing(place.root)
    for (const folder of [place.local, `${place.root}/home/me/miniconda3/envs`])
      for (const tree of [before, after]) tree.delete(folder)
    assert.deepEqual(after, before)
    // In the second round there is an archive.
    await pack(options(place))
  }
})

test('nothing begins if the signal is aborted already', async (context) => {
  const place = await copiedWorld(context)
  const signal = AbortSignal.abort()
  for (const begin of [() => pack({ ...options(place), signal }), () => stage({ ...options(place), signal })])
    await assert.rejects(begin, { code: 'CANCELLED' })
  await pack(options(place))
  await assert.rejects(stage({ ...options(place), signal }), { code: 'CANCELLED' })
  assert.deepEqual(readdirSync(place.local), [])
})

test('one process can stage at the same time: private copies, or one that its calls share', async (context) => {
  const place = await copiedWorld(context)
  const copies = async (isPrivate: boolean) => {
    const staged = await Promise.all([1, 2, 3].map(() => stage({ ...options(place), isPrivate })))
    return new Set(staged.map(({ prefix }) => prefix)).size
  }
  assert.equal(await copies(true), 3)
  assert.equal(await copies(false), 1)
  assert.equal(readdirSync(place.local).length, 4)
})

test('the compiler rejects options that the library does not know', () => {
  // @ts-expect-error
  const wrong: PackOptions = { formats: 'tar.zst' }
  // @ts-expect-error
  const other: StageOptions = { check: 'some' }
  assert.ok(wrong && other)
})

test('of many that give the last leases of a copy back at the same time, none fails, and the copy is gone', async (context) => {
  const place = await copiedWorld(context)
  for (let round = 0; round < 20; round++) {
    const staged = []
    for (let user = 0; user < 8; user++) staged.push(await stage(options(place)))
    const { prefix } = staged[0]!
    const given = staged.map(({ lease }) => unstage({ prefix, ...(lease && { lease }), env: place.env }))
    const results = await Promise.allSettled(given)
    assert.deepEqual(
      results.filter(({ status }) => status === 'rejected'),
      [],
    )
    assert.deepEqual(readdirSync(place.local), [])
  }
})
