/** The user's own shell, in which the copy stands in the original's place. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { type Node, nodeWith } from './world.ts'

/** What each shell reads at its start, and how it says what we ask. */
const SHELLS = [
  { program: '/bin/bash', file: '.bashrc', alias: 'alias own="echo own"', prompt: 'echo "$PS1"' },
  { program: '/usr/bin/zsh', file: '.zshrc', alias: 'alias own="echo own"', prompt: 'print -r -- "$PS1"' },
  {
    program: '/usr/bin/fish',
    file: '.config/fish/config.fish',
    alias: 'alias own "echo own"',
    prompt: 'echo "$CONDA_PROMPT_MODIFIER"',
  },
  {
    program: '/usr/bin/tcsh',
    file: '.tcshrc',
    alias: 'alias own "echo own"\nset prompt = "> "',
    prompt: 'echo "$prompt"',
  },
  { program: '/bin/sh', file: '.shrc', alias: 'alias own="echo own"', prompt: 'echo "$PS1"' },
]

function readAtStart({ env }: Node, file: string, text: string): void {
  const path = `${env.HOME}/${file}`
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** Opens the shell and types lines into it. */
async function typed(node: Node, lines: readonly string[], env: Record<string, string | undefined>): Promise<string> {
  const typist = `printf '%s\\n' "$LINES_TYPED" | "$@"`
  const { stdout, status, stderr } = await node.exec(['--quiet', '--shell=strict'], {
    inside: ['sh', '-c', typist, 'sh'],
    env: { TERM: 'dumb', ...env, LINES_TYPED: [...lines, 'exit 3'].join('\n') },
  })
  assert.equal(status, 3, `${stdout}${stderr}`)
  return stdout
}

for (const { program, file, alias, prompt } of SHELLS)
  test(`--shell opens ${program} with the user's own startup file, the environment activated and a * in the prompt`, async (context) => {
    const node = await nodeWith(context)
    // The file activates something else, as that of conda's users does.
    const other = program.endsWith('csh') ? 'setenv CONDA_PREFIX /base' : 'export CONDA_PREFIX=/base'
    readAtStart(node, file, `${alias}\n${other}\n`)
    const here = 'stat -c %n:%h $CONDA_PREFIX/conda-meta/frozen'
    const stdout = await typed(node, ['own', prompt, here, 'conda-stage --version --quiet'], {
      SHELL: program,
      ENV: program === '/bin/sh' ? '$HOME/.shrc' : undefined,
    })
    assert.match(stdout, /^(?:.*> )?own$/m)
    assert.match(stdout, /\(myjupyter\*\) /)
    assert.match(stdout, new RegExp(`${node.prefix}/conda-meta/frozen:1`))
    assert.match(stdout, /^\d+\.\d+\.\d+$/m)
    assert.ok(await node.isEmpty())
  })

for (const { program, file, alias, prompt } of SHELLS)
  test(`${program} that --shell opens from the active environment itself has the * in its prompt, although its own files activate nothing`, async (context) => {
    const node = await nodeWith(context)
    readAtStart(node, file, `${alias}\n`)
    const stdout = await typed(node, [prompt], {
      SHELL: program,
      ENV: program === '/bin/sh' ? '$HOME/.shrc' : undefined,
      CONDA_PREFIX: node.prefix,
      CONDA_DEFAULT_ENV: 'myjupyter',
      CONDA_PROMPT_MODIFIER: '(myjupyter) ',
      CONDA_SHLVL: '1',
    })
    assert.match(stdout, /\(myjupyter\*\) /)
  })

test('a shell that --shell opens at a terminal has that terminal, with its jobs', async (context) => {
  const node = await nodeWith(context)
  const env = { SHELL: '/bin/bash', TERM: 'dumb' }
  const typist = `(sleep 3; echo 'tty; set -o | grep monitor; exit') | script -qec "$*" /dev/null`
  const { stdout } = await node.exec(['--quiet', '--shell'], { inside: ['sh', '-c', typist, 'sh'], env })
  assert.match(stdout, /\/dev\/pts\/\d+/)
  assert.match(stdout, /monitor\s+on/)
})
