import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { manPage } from '../../scripts/man-page.ts'
import { completableOptions, helpText } from '../../src/cli/command-line.ts'
import { COMPLETION_SHELLS, completion } from '../../src/completion/completion.ts'

function mandoc(...args: string[]): string {
  const { stdout, stderr, error } = spawnSync('mandoc', args, { input: manPage(), encoding: 'utf8' })
  if (error !== undefined) throw error
  return (stdout + stderr).replaceAll(/.[\b]/g, '') // bold is typed twice
}

/** As words, because each of these breaks lines elsewhere. */
const words = (text: string): string => text.replaceAll(/\s+/g, ' ')

test('every option stands in --help, in the manual page and in the completion of each shell, with the same description', () => {
  const options = completableOptions()
  assert.ok(options.length > 40, `${options.length}`)
  const [help, page] = [words(helpText()), words(mandoc('-Tutf8', '-Owidth=1000'))]
  for (const { names, description, value } of options) {
    const name = names.at(-1)!
    const signs = value?.optional ? ['[', ']'] : ['<', '>']
    const given = [names.join(', '), ...(value ? [signs.join(value.name)] : [])].join(' ')
    for (const text of [help, page]) assert.ok(text.includes(` ${given} ${description}`), `${given} ${description}`)
    for (const shell of COMPLETION_SHELLS) {
      const word = shell === 'fish' ? `-l ${name.slice(2)} ` : name
      assert.ok(completion(shell, options).includes(word), `${shell} does not complete ${name}`)
    }
  }
})

test('what else --help says is in the manual page: the variables, what stays in a session, the exit status', () => {
  const page = words(mandoc('-Tutf8', '-Owidth=1000'))
  const [, rest = ''] = helpText().split('Variables:')
  const lines = rest.trim().split('\n')
  assert.ok(lines.length > 15)
  for (const line of lines) assert.ok(page.includes(words(line.trim())), line)
})

test('the manual page is correct for the checker of mandoc', () => {
  assert.equal(mandoc('-Tlint', '-Wwarning'), '')
})
