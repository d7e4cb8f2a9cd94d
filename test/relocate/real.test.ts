import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { planFor, relocate } from './helpers.ts'

// Real tools make real files here. The files are relocated, and run after the original is gone.

let root: string
/** The program itself, because `python3` on PATH may be a slow script of a version manager. */
let python: string
before(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'relocate-')))
  python = run('python3', ['-c', 'import sys; print(sys.executable)']).trim()
})
after(() => fs.rmSync(root, { recursive: true, force: true }))

function run(command: string, args: string[] = []): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' })
}

/** Relocates a small environment into another folder, and removes the original. */
function stage(from: string, to: string, placeholder?: string): void {
  for (const name of fs.readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    const source = path.join(from, name)
    const { mode } = fs.statSync(source)
    if (fs.statSync(source).isDirectory()) continue
    fs.mkdirSync(path.dirname(path.join(to, name)), { recursive: true })
    const options = { path: name, ...(placeholder && { placeholder: { text: placeholder, mode: 'binary' as const } }) }
    fs.writeFileSync(path.join(to, name), relocate(fs.readFileSync(source), [from], to, options))
    fs.chmodSync(path.join(to, name), mode)
  }
  fs.rmSync(from, { recursive: true })
}

/** Compiles a program and a library that it finds by an absolute RPATH. Both also hold the prefix as text. */
function compile(prefix: string, embedded: string, tag = 'new'): void {
  fs.mkdirSync(`${prefix}/bin`, { recursive: true })
  fs.mkdirSync(`${prefix}/lib`)
  const library = 'const char *where(void) { return PREFIX "/share/data"; }'
  const program =
    '#include <stdio.h>\nconst char *where(void);\nint main(void) { puts(where()); puts(PREFIX); return 0; }'
  fs.writeFileSync(`${prefix}/where.c`, library)
  fs.writeFileSync(`${prefix}/main.c`, program)
  const define = `-DPREFIX="${embedded}"`
  run('gcc', ['-shared', '-fPIC', define, `${prefix}/where.c`, '-o', `${prefix}/lib/libwhere.so`])
  const rpath = `-Wl,--${tag === 'new' ? 'enable' : 'disable'}-new-dtags,-rpath,${embedded}/lib:/nowhere:${embedded}/lib64`
  run('gcc', [define, `${prefix}/main.c`, `-L${prefix}/lib`, '-lwhere', rpath, '-o', `${prefix}/bin/where`])
}

const rpathOf = (file: string): string => /R(?:UN)?PATH.*\[(.*)\]/i.exec(run('readelf', ['-d', file]))![1]!

describe('a C program with a library and an absolute RPATH', () => {
  test('runs from a new prefix of the same length', () => {
    const [from, to] = [`${root}/old/env`, `${root}/new/env`]
    compile(from, from)
    stage(from, to)
    assert.equal(run(`${to}/bin/where`), `${to}/share/data\n${to}\n`)
    assert.equal(rpathOf(`${to}/bin/where`), `${to}/lib:/nowhere:${to}/lib64`)
  })

  for (const [what, name] of [
    ['shorter', 'e'],
    ['longer', 'environment'.repeat(5)],
  ] as const) {
    test(`compiled with a placeholder and installed as conda does, runs from a ${what} prefix`, () => {
      const from = `${root}/managed-${what}`
      const to = `${root}/${name}`
      const placeholder = `/${'placehold_'.repeat(26).slice(0, 254)}`
      compile(from, placeholder)
      for (const file of ['bin/where', 'lib/libwhere.so']) installAsConda(`${from}/${file}`, placeholder, from)
      stage(from, to, placeholder)
      assert.equal(run(`${to}/bin/where`), `${to}/share/data\n${to}\n`)
      assert.equal(rpathOf(`${to}/bin/where`), `${to}/lib:/nowhere:${to}/lib64`)
    })
  }

  for (const tag of ['new', 'old']) {
    test(`compiled by hand (${tag} tags), runs from a shorter prefix, whose RPATH is filled with slashes`, () => {
      const [from, to] = [`${root}/by-hand-${tag}`, `${root}/s-${tag}`]
      compile(from, from, tag)
      stage(from, to)
      // Only the RPATH can change; other strings can't.
      assert.equal(run(`${to}/bin/where`), `${from}/share/data\n${from}\n`)
      const slashes = '/'.repeat(1 + 2 * (from.length - to.length))
      assert.equal(rpathOf(`${to}/bin/where`), `${to}/lib:/nowhere:${to}${slashes}lib64`)
    })
  }

  test('compiled by hand, runs from a longer prefix with an RPATH that begins with $ORIGIN', () => {
    const [from, to] = [`${root}/by-hand-too`, `${root}/${'long'.repeat(20)}`]
    compile(from, from)
    stage(from, to)
    assert.match(run(`${to}/bin/where`), /share\/data/)
    assert.match(rpathOf(`${to}/bin/where`), /^\$ORIGIN\/\.\.\/lib:\/nowhere:\$ORIGIN\/\.\.\/+lib64$/)
  })

  test('and a NEEDED entry that is an absolute path finds its library in a shorter and in a longer prefix', () => {
    for (const to of [`${root}/n`, `${root}/${'needed'.repeat(9)}`]) {
      const from = `${root}/absolute/env`
      compile(from, from)
      run('gcc', [`-DPREFIX="x"`, `${from}/main.c`, `${from}/lib/libwhere.so`, '-o', `${from}/bin/where`])
      assert.match(run('readelf', ['-d', `${from}/bin/where`]), new RegExp(`NEEDED.*\\[${from}/lib/libwhere.so\\]`))
      stage(from, to)
      assert.match(run(`${to}/bin/where`), /share\/data/)
    }
  })

  test('keeps an RPATH as it is if another dynamic string shares its end and that would move', () => {
    const from = `${root}/shared/env`
    compile(from, from)
    const library = `${from}/lib/libwhere.so`
    // The name of the library is the end of its RPATH, so the linker stores one string for both.
    run('gcc', [
      '-shared',
      '-fPIC',
      '-DPREFIX="x"',
      `${from}/where.c`,
      '-o',
      library,
      '-Wl,-soname,env',
      `-Wl,-rpath,${from}`,
    ])
    const data = fs.readFileSync(library)
    assert.equal(data.indexOf('\0env\0'), -1, 'the linker shares it')
    const shorter = planFor(data, [from], `${root}/s`, { path: 'lib/libwhere.so' })
    assert.deepEqual([shorter.edits.length, shorter.left.length], [0, 1])
    const sameEnd = relocate(data, [from], `${root}/env`, { path: 'lib/libwhere.so' })
    fs.writeFileSync(library, sameEnd)
    assert.match(run('readelf', ['-d', library]), /SONAME.*\[env\]/)
    assert.match(rpathOf(library), new RegExp(`^${root}/+env$`))
  })
})

/** Replaces each placeholder and pads the C string with NULs to its old length, as conda does. */
function installAsConda(file: string, placeholder: string, prefix: string): void {
  const text = fs.readFileSync(file, 'latin1').replace(new RegExp(`${placeholder}[^\\0]*\\0`, 'g'), (string) => {
    const replaced = string.replaceAll(placeholder, prefix)
    return replaced + '\0'.repeat(string.length - replaced.length)
  })
  fs.writeFileSync(file, text, 'latin1')
}

const source = (prefix: string): string => `
EXACT = '${prefix}'
BELOW = '${prefix}/share'
FLAGS = '-L${prefix}'
LETTERS = ('/', '${prefix}', 'r')
BYTES = b'${prefix}', b'-I${prefix}'
LONG = '${'x'.repeat(400)} ${prefix}'
OTHER = '${prefix}2', '${prefix}-old'
def function():
    return '${prefix}', function.__code__.co_filename
print(repr((EXACT, BELOW, FLAGS, LETTERS, BYTES, LONG, OTHER, function())))
`

test('Byte code runs with the new prefix of the same length in every counted string, whatever that length', () => {
  // Counts of 41 to 122 cover signs, digits and letters.
  for (let length = 60; length < 123; length += 3) {
    const name = 'n'.repeat(length - root.length - 1)
    const [from, to] = [`${root}/${name}`, `${root}/${name.replaceAll('n', 'm')}`]
    fs.writeFileSync(`${root}/code.py`, source(from))
    const compiled = `import py_compile as p; p.compile('${root}/code.py', '${root}/code.pyc', dfile='${from}/code.py')`
    run(python, ['-c', compiled])
    const expected = run(python, [`${root}/code.pyc`]).replaceAll(new RegExp(`${from}(?!2|-old)`, 'g'), to)
    const data = fs.readFileSync(`${root}/code.pyc`)
    const relocated = relocate(data, [from], to, { path: 'code.pyc' })
    assert.equal(relocated.length, data.length)
    fs.writeFileSync(`${root}/code.pyc`, relocated)
    assert.equal(run(python, [`${root}/code.pyc`]), expected, `${length} characters`)
  }
})

describe('a Python script', () => {
  const body = "import sys\nprint(sys.argv[1:], sys.flags.no_site, __file__.endswith('script'))\n"
  const interpreters = (prefix: string): void => {
    fs.mkdirSync(`${prefix}/bin`, { recursive: true })
    fs.symlinkSync(python, `${prefix}/bin/python`)
  }
  const cases: [what: string, folder: string, shebang: (prefix: string) => string][] = [
    ['a line of 127 bytes', 'exact', (prefix) => `#!${prefix}/bin/python -S`],
    ['a line of 128 bytes', 'exactly', (prefix) => `#!${prefix}/bin/python -S`],
    ['a blank, a quote and a dollar in the prefix', `a b'c"d$e`, (prefix) => `#!${prefix}/bin/python -S`],
    ["pip's polyglot and a blank", 'a b', (prefix) => `#!/bin/sh\n'''exec' ${prefix}/bin/python -S "$0" "$@"\n' '''`],
    ["conda's polyglot and a blank", 'c d', (prefix) => `#!/bin/sh\n'''exec' "${prefix}/bin/python" -S "$0" "$@" #'''`],
  ]
  for (const [what, folder, shebang] of cases) {
    test(`runs with ${what}`, () => {
      const size = folder.startsWith('exact') ? (folder === 'exact' ? 127 : 128) - '#!/bin/python -S'.length : 0
      const to = `${root}/${folder.padEnd(size - root.length - 1, '_')}`
      interpreters(to)
      const text = Buffer.from(`${shebang('/a/env')}\n${body}`)
      fs.writeFileSync(`${to}/bin/script`, relocate(text, ['/a/env'], to), { mode: 0o755 })
      assert.equal(run(`${to}/bin/script`, ['1', 'two words', '$x']), "['1', 'two words', '$x'] 1 True\n")
      const isLine = fs.readFileSync(`${to}/bin/script`, 'latin1').startsWith(`#!${to}`)
      assert.equal(isLine, folder === 'exact')
    })
  }
})
