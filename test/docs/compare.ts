/** Whether a command printed what the page shows. */
import assert from 'node:assert/strict'
import type { Command } from './document.ts'
import type { Done } from './login.ts'

/** What differs each time or on each machine. If a page shows one of these, any other of its kind will do. */
const VARYING: [shown: RegExp, kind: string][] = [
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [-+]\d{4}/, '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d [-+]\\d{4}'],
  [/conda-stage_\w+/, 'conda-stage_\\w+'],
  [/takes \d+\.\d+ ms/, 'takes (?:less than )?\\d+\\.\\d+ ms'],
  [/\d+ bytes/, '\\d+ bytes'],
  [/\d+ seconds?/, '\\d+ seconds?'],
  [/ +\d+\.\ds \| \d+ files \| \d+ MB/, ' +\\d+\\.\\ds \\| \\d+ files \\| \\d+ MB'],
  // A conda package's version and build, in its full name and in a table.
  [/-\d+(?:\.\d+)+-\w+_\d+\w*/, '-[\\d.]+-\\w+_\\d+'],
  [/ +\d+(?:\.\d+)+ +\w+_\d+\w*/, ' +[\\d.]+ +\\w+_\\d+'],
  [/Python \d\.\d+/, 'Python \\d\\.\\d+'],
  // The machine's disks and mounts.
  [/: (?:xfs|ext4|tmpfs|overlay|btrfs),/, ': \\w+,'],
  [
    /on local disk \([^)]*\)(?:, \d+ in the kernel \([^)]*\))?/,
    'on local disk \\([^)]*\\)(?:, \\d+ in the kernel \\([^)]*\\))?',
  ],
  // An archive in the cache folder.
  [/-[0-9a-f]{12}\./, '-[0-9a-f]{12}\\.'],
  // A number with its noun, and any other number.
  [/\d+ starts?/, '\\d+ starts?'],
  [/\d+(?:[.,]\d+)*/, '\\d+(?:[.,]\\d+)*'],
  // Columns are as wide as their contents.
  [/ {2,}/, ' +'],
]

const ANY = new RegExp(VARYING.map(([shown]) => `(${shown.source})`).join('|'), 'g')

/** Fails for the first command with another prompt or another output than the page's. */
export function assertAsShown(page: string, commands: readonly Command[], done: readonly Done[]): void {
  for (const [at, { line, prompt, text, prints }] of commands.entries()) {
    const { prompt: seen, printed } = done[at]!
    const where = `${page}, line ${line}: ${prompt}${text}`
    assert.equal(seen, prompt, `${where}\nhas another prompt`)
    if (!isAsShown(printed, prints)) assert.fail(`${where}\nprinted\n${printed}\ninstead of\n${prints.join('\n')}`)
  }
}

/** Ignores blank lines and spaces at the ends of lines; `...` stands for any number of lines. */
export function isAsShown(printed: string, shown: readonly string[]): boolean {
  const lines = shown.filter((line) => line.trim() !== '')
  const pattern = lines.map((line) => (line === '...' ? '(?:.*\\n)*?' : `${patternOf(line)} *\\n`)).join('')
  return new RegExp(`^${pattern}$`).test(withoutBlankLines(printed))
}

function patternOf(line: string): string {
  let [pattern, done] = ['', 0]
  for (const match of line.matchAll(ANY)) {
    pattern += escaped(line.slice(done, match.index))
    pattern += VARYING[match.slice(1).findIndex((group) => group !== undefined)]![1]
    done = match.index + match[0].length
  }
  return pattern + escaped(line.slice(done).trimEnd())
}

const withoutBlankLines = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `${line}\n`)
    .join('')

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
