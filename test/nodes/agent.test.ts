/** What a node's process does with what the head says, without a scheduler. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import {
  type Answer,
  AnswerReader,
  encodeAnswer,
  encodeOrder,
  type Order,
  type StageOrder,
} from '../../src/nodes/protocol.ts'
import { planCopy } from '../../src/pipeline/planned.ts'
import { programVersion } from '../../src/platform/program.ts'
import { copiedWorld, LAUNCHER, type World } from '../cli/world.ts'

const CALL = '0123456789abcdef01234567'

async function orderFor({ prefix, local, env }: World, more: Partial<StageOrder> = {}): Promise<StageOrder> {
  const plan = await planCopy({ prefix, path: local, env, cwd: '/' })
  const folder = `${local}/conda-stage_${CALL}`
  return {
    kind: 'stage',
    version: programVersion(),
    call: CALL,
    platform: `${process.platform}-${process.arch}`,
    ...plan,
    local: { ...plan.local, named: true },
    keepMinutes: 0,
    received: { folder, file: `${folder}/archive` },
    ...more,
  }
}

/** The process of a node, and its head. */
function nodeOf(context: TestContext, { env }: World, command: readonly string[] = []) {
  const [program, ...args] = [...command, LAUNCHER, '--on-node']
  const child = spawn(program!, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  context.after(() => child.kill('SIGKILL'))
  const reader = new AnswerReader()
  const answers: Answer[] = []
  let wake = () => {}
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) answers.push(...[reader.read(line)].flatMap((found) => (found ? [found.answer] : [])))
    wake()
  })
  const ended = once(child, 'exit')
  ended.then(() => wake())
  return {
    say: (order: Order) => void child.stdin.write(encodeOrder(order)),
    /** What the head would see if it ended. */
    hangUp: () => void child.stdin.end(),
    stop: () => void child.kill('SIGTERM'),
    ended,
    async next<K extends Answer['kind']>(...kinds: K[]): Promise<Extract<Answer, { kind: K }>> {
      for (;;) {
        const at = answers.findIndex(({ kind }) => (kinds as string[]).includes(kind))
        if (at >= 0) return answers.splice(0, at + 1).at(-1) as Extract<Answer, { kind: K }>
        assert.equal(child.exitCode, null, `it ended without ${kinds}: ${JSON.stringify(answers)}`)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}

const send = ({ archive, received }: StageOrder) => copyFileSync(archive.path, received!.file)

test('a node makes the copy at the path that the head says, from the archive that it got, which goes then', async (context) => {
  const place = await copiedWorld(context)
  const order = await orderFor(place)
  const node = nodeOf(context, place)
  node.say(order)
  assert.equal((await node.next('hello', 'failed')).kind, 'hello')
  assert.equal(statSync(order.received!.folder).mode & 0o777, 0o700)
  send(order)
  node.say({ kind: 'go' })
  assert.equal((await node.next('done', 'failed')).kind, 'done')
  assert.ok(existsSync(`${order.place.prefix}/bin/greet`))
  node.say({ kind: 'keep' })
  await node.ended
  assert.deepEqual(
    readdirSync(place.local).map((name) => `${place.local}/${name}`),
    [order.place.folder],
  )
})

test('a node of another platform, with another conda-stage, with another real path, or with something in the place of the copy is refused with the reason', async (context) => {
  const place = await copiedWorld(context)
  const order = await orderFor(place)
  const cases: [Partial<StageOrder>, RegExp][] = [
    [{ platform: 'linux-riscv64' }, /This node is linux-\w+, and the copy is for linux-riscv64/],
    [{ version: '0.0.0' }, /conda-stage is .* here, and 0\.0\.0 where it was called/],
    [{ local: { ...order.local, real: '/scratch/me' } }, /is .*local here, and \/scratch\/me where/],
    [{ needed: { bytes: 2 ** 60, inodes: 1 } }, /has too little room/],
  ]
  for (const [more, says] of cases) {
    const node = nodeOf(context, place)
    node.say({ ...order, ...more })
    const answer = await node.next('hello', 'failed')
    assert.equal(answer.kind, 'failed')
    assert.match(answer.kind === 'failed' ? answer.error.message : '', says)
    await node.ended
    assert.deepEqual(readdirSync(place.local), [])
  }
  mkdirSync(order.place.folder)
  writeFileSync(`${order.place.folder}/mine`, '')
  const node = nodeOf(context, place)
  node.say(order)
  await node.next('hello')
  send(order)
  node.say({ kind: 'go' })
  const { error } = await node.next('failed')
  assert.match(error.message, /^Something else is at the path of the copy: /)
  node.say({ kind: 'undo' })
  await node.ended
  assert.deepEqual(readdirSync(order.place.folder), ['mine'])
  assert.equal(readdirSync(place.local).length, 1)
})

test('undo, the end of the head and SIGTERM at any moment leave nothing on a node', async (context) => {
  const place = await copiedWorld(context)
  const order = await orderFor(place)
  const end = {
    undo: (node: ReturnType<typeof nodeOf>) => node.say({ kind: 'undo' }),
    'end of the head': (node: ReturnType<typeof nodeOf>) => node.hangUp(),
    SIGTERM: (node: ReturnType<typeof nodeOf>) => node.stop(),
  }
  for (const [what, leave] of Object.entries(end))
    for (const moment of ['hello', 'go', 'done']) {
      const node = nodeOf(context, place)
      node.say(order)
      await node.next('hello')
      send(order)
      if (moment !== 'hello') node.say({ kind: 'go' })
      if (moment === 'done') await node.next('done')
      leave(node)
      await node.ended
      assert.deepEqual(readdirSync(place.local), [], `${what} after ${moment}`)
    }
})

test('answers of any length and in any letters arrive whole, whatever a site prints between their lines', () => {
  const error = { code: 'NO_SPACE', message: 'é漢😀"\n'.repeat(2000), lines: ['', 'x'.repeat(5000)] }
  const of = (node: string) => encodeAnswer(node, { kind: 'failed', error }).trimEnd().split('\n')
  const [first, second] = [of('n1'), of('n2.cluster')]
  assert.ok([...first, ...second].every((line) => Buffer.byteLength(line) < 1000))
  const reader = new AnswerReader()
  const found = first.flatMap((line, at) =>
    [line, 'Welcome to the cluster', second[at]!, '@conda-stage n3 .{"kind":"bogus"}'].flatMap(
      (each) => reader.read(each) ?? [],
    ),
  )
  assert.deepEqual(found, [
    { node: 'n1', answer: { kind: 'failed', error } },
    { node: 'n2.cluster', answer: { kind: 'failed', error } },
  ])
})
