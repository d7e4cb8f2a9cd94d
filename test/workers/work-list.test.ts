import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Relocation } from '../../src/model/relocation.ts'
import { encodeWorkList, type Piece, piecesOf, relocationOf } from '../../src/workers/work-list.ts'

const piece = (path: string, frame: number, more: Partial<Piece> = {}): Piece => ({
  path,
  frame,
  mode: 0o755,
  mtime: 1_795_000_000.123456,
  fileSize: 5e9,
  contentOffset: 4.5e9,
  frameOffset: 512,
  length: 100,
  ...more,
})

test("a work list gives back each frame's pieces, with large offsets and names of any bytes", () => {
  const pieces = [piece('b', 2), piece('a\xe9\n/x', 0), piece('c', 2), piece('negative', 3, { mtime: -1.5 })]
  const list = encodeWorkList(pieces, 4)
  const got = [0, 1, 2, 3].map((frame) => [...piecesOf(list, frame)])
  const expected = [[pieces[1]], [], [pieces[0], pieces[2]], [pieces[3]]]
  assert.deepEqual(
    got,
    expected.map((frame) => frame.map((one) => ({ ...one, relocation: undefined }))),
  )
})

test('a work list gives back each relocation, and stores it once however many pieces its file has', () => {
  const relocation: Relocation = {
    kind: 'elf',
    occurrences: [{ offset: 7e9, prefix: 1, encoding: 'utf8', end: 7e9 + 3, room: 4 }],
    dynamic: [{ offset: 1, text: 'caf\xe9/"\\', list: true }],
  }
  const one = encodeWorkList([piece('f', 0, { relocation })], 3)
  const three = encodeWorkList(
    [0, 1, 2].map((frame) => piece('f', frame, { relocation })),
    3,
  )
  for (const frame of [0, 1, 2]) {
    const [stored] = [...piecesOf(three, frame)]
    assert.deepEqual(relocationOf(three, stored!.relocation!), relocation)
  }
  assert.equal(three.bytes.length, one.bytes.length + 2 * 'f'.length)
})
