/**
 * The manual page, made from the text of --help: an option has its description in one place, and all that --help lists is there.
 * Source: man(7) of mandoc and groff_man(7).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { helpText } from '../src/cli/command-line.ts'
import { programVersion } from '../src/platform/program.ts'

const TEMPLATE = join(import.meta.dirname, '../packaging/man/conda-stage.1')

export function manPage(): string {
  const [head = '', notes = ''] = helpText().split(/\n\n(?=What your session gets)/)
  const values: Record<string, string> = {
    VERSION: roff(programVersion()),
    PARTS: head.split('\n\n').slice(2).map(part).join('\n'),
    NOTES: notes.trimEnd().split('\n').map(roff).join('\n'),
  }
  return readFileSync(TEMPLATE, 'utf8').replaceAll(/@([A-Z]+)@/g, (_, name: string) => values[name]!)
}

/** A part of --help: a title, and below it what can be given, with descriptions that may take several lines. */
function part(text: string): string {
  const [title = '', ...lines] = text.trim().split('\n')
  const entries: { given: string; description: string[] }[] = []
  for (const line of lines) {
    const [, given, description] = /^ {2}(\S.*?)(?: {2,}(\S.*))?$/.exec(line) ?? []
    if (given !== undefined) entries.push({ given, description: description === undefined ? [] : [description] })
    else entries.at(-1)!.description.push(line.trim())
  }
  const items = entries.map(({ given, description }) => `.TP\n${term(given)}\n${roff(description.join(' '))}`)
  return [`.SH ${TITLES[title] ?? roff(title.replace(/:$/, '').toUpperCase())}`, ...items].join('\n')
}

/** As manual pages have them. */
const TITLES: Record<string, string> = {
  'Actions (without one: --stage):': 'ACTIONS\nWithout one:\n.BR \\-\\-stage .',
  'Variables:': 'ENVIRONMENT',
}

/** Names in bold, what stands for a value in italics: `-p, --prefix <env>`. */
const term = (given: string): string =>
  given
    .split(/([<[][\w-]+[>\]])/)
    .map((piece, i) =>
      i % 2 === 0
        ? piece.replaceAll(/[^ ,]+/g, (word) => `\\fB${roff(word)}\\fR`)
        : piece.replace(/[\w-]+/, (word) => `\\fI${roff(word)}\\fR`),
    )
    .join('')

const CHARACTERS: Record<string, string> = {
  '\\': '\\e',
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
}

/** A line of text that roff prints as it is. */
const roff = (text: string): string =>
  text.replaceAll(/[\\\-'`^~]/g, (char) => CHARACTERS[char]!).replace(/^\./, '\\&.')
