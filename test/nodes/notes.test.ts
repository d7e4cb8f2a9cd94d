import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Notes } from '../../src/nodes/notes.ts'

test('a warning that several nodes give is told once, with how many give it, and not again for the copy that is here', () => {
  const told: string[] = []
  const notes = new Notes((event) => void ('message' in event && told.push(event.message)))
  for (const node of ['n1', 'n2', 'n3'])
    notes.take(node, { kind: 'warning', message: 'a file still names the original' })
  for (const node of ['n1', 'n3']) notes.take(node, { kind: 'warning', message: 'another' })
  notes.take('n2', { kind: 'warning', message: 'its own' })
  notes.take('n2', { kind: 'debug', message: 'a detail' })
  notes.tell(3)
  notes.others({ kind: 'warning', message: 'another' })
  notes.others({ kind: 'warning', message: 'a new one' })
  assert.deepEqual(told, [
    'n2: a detail',
    'All 3 nodes: a file still names the original',
    '2 of 3 nodes (n1,n3): another',
    'n2: its own',
    'a new one',
  ])
})
