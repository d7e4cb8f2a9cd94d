import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { crc32, gzipSync } from 'node:zlib'
import { planFor, relocate, relocateText, scan } from './helpers.ts'

const P = '/a/env'

/** A zip with one stored member. `start`: what its offsets are counted from, other than its own beginning. */
function zip(content: string, { start = 0, comment = '' } = {}): Buffer {
  const data = Buffer.from(content)
  const local = Buffer.alloc(31)
  local.write('PK\x03\x04', 'latin1')
  local.writeUInt32LE(crc32(data), 14)
  local.writeUInt32LE(data.length, 18)
  local.writeUInt32LE(data.length, 22)
  local.writeUInt16LE(1, 26)
  local.write('i', 30)
  const entry = Buffer.alloc(47)
  entry.write('PK\x01\x02', 'latin1')
  entry.writeUInt32LE(crc32(data), 16)
  entry.writeUInt32LE(data.length, 20)
  entry.writeUInt32LE(data.length, 24)
  entry.writeUInt16LE(1, 28)
  entry.writeUInt32LE(start, 42)
  entry.write('i', 46)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(entry.length, 12)
  end.writeUInt32LE(start + local.length + data.length, 16)
  end.writeUInt16LE(comment.length, 20)
  return Buffer.concat([local, data, entry, end, Buffer.from(comment)])
}

const member = `d=${P}/share`
const line = `#!${P}/bin/python -I\n`
const together = (text: string | Buffer, behind: Buffer): Buffer => Buffer.concat([Buffer.from(text as string), behind])

for (const [what, start] of [
  ['its own beginning', 0],
  ["the file's", line.length],
] as const) {
  test(`Of a zip behind a first line only that line changes, at any length; offsets counted from ${what}`, () => {
    for (const comment of ['', 'a comment']) {
      const behind = zip(member, { start, comment })
      for (const to of ['/b/new', '/much/longer', '/b']) {
        const relocated = relocate(together(line, behind), [P], to).toString('latin1')
        assert.ok(relocated.startsWith(line.trimEnd().replace(P, to)))
        assert.ok(relocated.endsWith(`\n${behind.toString('latin1')}`))
        assert.ok(relocated.length - behind.length >= line.length, 'offsets never lead in front of the file')
      }
    }
  })
}

test('Of a zip behind other bytes the bytes before it change and its members do not, with or without the prefix in them', () => {
  const elf = Buffer.concat([Buffer.from('\x7fELF\x02\x01', 'latin1'), Buffer.alloc(200), Buffer.from(`\0${P}/lib\0`)])
  for (const content of [member, 'nothing'])
    for (const front of [elf, Buffer.from(`@echo off ${P}\n`), Buffer.from(`\x01\0${P}\0`)]) {
      const relocated = relocate(together(front, zip(content)), [P], '/b/new')
      assert.deepEqual(relocated, together(front.toString('latin1').replace(P, '/b/new'), zip(content)))
    }
})

test('Members that hold the prefix are counted, and what opens them may reach the original', () => {
  const found = scan(together(line, zip(member)), [P])!
  assert.deepEqual([found.kind, found.occurrences.length, found.sealed, found.readable], ['text', 1, 1, true])
  const plain = scan(zip(member), [P])!
  assert.deepEqual([plain.kind, plain.occurrences.length, plain.readable], ['container', 1, true])
  assert.equal(scan(zip(member), [P], { path: 'x.whl' })!.readable, undefined)
})

test('A zip behind several lines with the prefix stays whole when the length changes', () => {
  const text = `#!/bin/sh\nP=${P}\nexec "$P/bin/java" -jar "$0"\n`
  const data = together(text, zip(member))
  assert.deepEqual(relocate(data, [P], '/much/longer'), data)
  assert.equal(planFor(data, [P], '/much/longer').left.length, 1)
  assert.deepEqual(relocate(data, [P], '/b/new'), together(text.replace(P, '/b/new'), zip(member)))
})

const payloads: [what: string, payload: Buffer][] = [
  ['gzip', gzipSync(Buffer.alloc(1000))],
  ['xz', Buffer.from('\xfd7zXZ\0\0', 'latin1')],
  ['bzip2', Buffer.from('BZh91AY&SY\0', 'latin1')],
  ['zstd', Buffer.from('\x28\xb5\x2f\xfd\0', 'latin1')],
  ['tar', Buffer.from(`name${'\0'.repeat(253)}ustar\0`)],
]
for (const [what, payload] of payloads) {
  test(`An installer with ${what} behind its script: the script changes at the same length, else nothing`, () => {
    const script = `#!/bin/sh\n${'# comment\n'.repeat(2500)}skip=400 # ${P}\nexec ${P}/bin/x\n`
    const data = together(script, Buffer.concat([payload, Buffer.from(`\0${P}`)]))
    const after = relocate(data, [P], '/b/new').toString('latin1')
    assert.equal(after, data.toString('latin1').replace(script, script.replaceAll(P, '/b/new')))
    assert.deepEqual(relocate(data, [P], '/longer/path'), data)
    for (const chunks of [[5], [1000], [70_000]]) assert.deepEqual(scan(data, [P], { chunks }), scan(data, [P]))
  })
}

test('A script that only names signatures has no container behind it', () => {
  for (const script of [`#!/bin/sh\nif magic = "ustar  "; then ${P}/x; fi\n`, `#!/bin/sh\necho "PK" hsqs ${P}\n`])
    assert.equal(relocateText(script, P, '/much/longer'), script.replace(P, '/much/longer'))
})

let root: string
before(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'payload-')))
})
after(() => fs.rmSync(root, { recursive: true, force: true }))

test("Python's zipapp runs from a prefix of any length, with the new first line and the members as they were", () => {
  const run = (command: string, args: string[] = []) => execFileSync(command, args, { encoding: 'utf8' })
  const python = run('python3', ['-c', 'import sys; print(sys.executable)']).trim()
  const from = `${root}/original/env`
  fs.mkdirSync(`${root}/app`)
  fs.writeFileSync(`${root}/app/module.py`, 'name = "module"\n')
  fs.writeFileSync(
    `${root}/app/__main__.py`,
    'import module, sys, zipfile\nprint(module.name, zipfile.ZipFile(sys.argv[0]).read("i").decode())\n',
  )
  fs.writeFileSync(`${root}/app/i`, from)
  run(python, ['-m', 'zipapp', `${root}/app`, '-p', `${from}/bin/python`, '-o', `${root}/app.pyz`])
  const data = fs.readFileSync(`${root}/app.pyz`)
  for (const name of ['another1/env', 's', 'longer/than/the/original', `${'very'.repeat(40)}/long`]) {
    const to = `${root}/${name}`
    fs.mkdirSync(`${to}/bin`, { recursive: true })
    fs.symlinkSync(python, `${to}/bin/python`)
    fs.writeFileSync(`${to}/bin/app`, relocate(data, [from], to), { mode: 0o755 })
    assert.equal(run(`${to}/bin/app`), `module ${from}\n`)
  }
})
