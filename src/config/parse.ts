import * as v from 'valibot'
import { type Document, isMap, isNode, isScalar, LineCounter, type Pair, parseDocument } from 'yaml'
import { type Kind, keyOf, SETTING_NAMES, type SettingName, type Settings, settingOf } from './settings.ts'
import { nearest } from './suggest.ts'

export interface Mistake {
  /** From 1; undefined if the file can't be read at all. */
  line?: number
  /** As written in the file. */
  key?: string
  message: string
}

/** Parses the text of a configuration file. One wrong key does not affect the others. */
export function parseConfig(text: string): { values: Partial<Settings>; mistakes: Mistake[] } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  // After an error, the parser may see keys that nobody wrote.
  const errors = [...document.errors, ...document.warnings].map(({ message, linePos }) => ({
    line: linePos?.[0].line ?? 1,
    message: `${message.split(/ at line \d/, 1)[0]}${bracesHint(text)}`,
  }))
  if (errors.length > 0) return { values: {}, mistakes: errors }
  if (isEmpty(document)) return { values: {}, mistakes: [] }
  if (!isMap(document.contents)) return { values: {}, mistakes: [{ line: 1, message: "has no 'KEY: VALUE' lines" }] }
  const values: Record<string, unknown> = {}
  const mistakes: Mistake[] = []
  for (const pair of document.contents.items) {
    const { line, key } = placeOf(pair, lines)
    const name = SETTING_NAMES.find((each) => keyOf(each) === key)
    const checked = name ? checkValue(name, pair, document) : unknownKey(key)
    if ('mistake' in checked) mistakes.push({ line, key, message: checked.mistake })
    else values[name!] = checked.value
  }
  return { values, mistakes }
}

/** Between brackets YAML reads braces as a map, which surprises people who name a folder. */
const bracesHint = (text: string): string =>
  /\[[^\n"']*\{(user|job)\}/.test(text) ? '; between [ and ], put a path with {user} or {job} into quotes' : ''

const isEmpty = ({ contents }: Document.Parsed): boolean =>
  contents === null || (isScalar(contents) && contents.value === null)

function placeOf({ key }: Pair, lines: LineCounter): { line: number; key: string } {
  const start = isNode(key) ? (key.range?.[0] ?? 0) : 0
  return { line: lines.linePos(start).line, key: String(isScalar(key) ? key.value : key) }
}

/** Options that people will try as keys, and what to write instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  path: 'local-folders: [DIR]',
  'read-only': 'writable: false',
  quiet: 'verbosity: quiet',
  verbose: 'verbosity: verbose',
  debug: 'verbosity: debug',
  output: 'archive-folder: DIR',
  retention: 'retention-days: 90',
}

function unknownKey(key: string): Checked {
  const instead = INSTEAD[key] ?? nearest(key, SETTING_NAMES.map(keyOf))
  return { mistake: `there is no such setting${instead === undefined ? '' : `; did you mean '${instead}'?`}` }
}

type Checked = { value: unknown } | { mistake: string }

function checkValue(name: SettingName, pair: Pair, document: Document.Parsed): Checked {
  const kind = settingOf(name)
  let value: unknown
  try {
    value = isNode(pair.value) ? pair.value.toJS(document) : pair.value
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    // yaml's own limit.
    return { mistake: 'it refers to itself too often' }
  }
  const result = v.safeParse(schemaOf(kind), value)
  if (result.success) return { value: result.output }
  const better = kind.kind === 'choice' && typeof value === 'string' ? nearest(value, kind.of) : undefined
  const suggestion = better === undefined ? '' : `; did you mean '${better}'?`
  return { mistake: `it is ${shown(value)}, but takes ${takes(kind)}${suggestion}` }
}

function schemaOf(kind: Kind): v.GenericSchema {
  switch (kind.kind) {
    case 'flag':
      return v.boolean()
    case 'choice':
      return v.picklist(kind.of)
    case 'number': {
      const number = v.pipe(v.number(), v.integer(), v.minValue(kind.from), v.maxValue(kind.to))
      const unlimited = v.pipe(
        v.literal('unlimited'),
        v.transform(() => Number.POSITIVE_INFINITY),
      )
      return kind.unlimited ? v.union([number, unlimited]) : number
    }
    case 'folder':
      return folder(kind.words)
    case 'folders':
      return v.array(folder(kind.words))
  }
}

const folder = (words: readonly string[]): v.GenericSchema =>
  v.pipe(
    v.string(),
    v.regex(/^(\/|~\/|~$)/),
    v.check((path) => [...path.matchAll(/\{([^}]*)\}/g)].every(([, word]) => words.includes(word!))),
  )

function takes(kind: Kind): string {
  switch (kind.kind) {
    case 'flag':
      return 'true or false'
    case 'choice':
      return `${kind.of.slice(0, -1).join(', ')} or ${kind.of.at(-1)}`
    case 'number':
      return `a whole number from ${kind.from} to ${kind.to}${kind.unlimited ? ", or 'unlimited'" : ''}`
    case 'folder':
      return `an absolute path or one that begins with ~/, which may contain ${braces(kind.words)}`
    case 'folders':
      return `a list of paths, absolute or beginning with ~/, which may contain ${braces(kind.words)}`
  }
}

const braces = (words: readonly string[]): string => words.map((word) => `{${word}}`).join(' and ')

const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? `'${value}'` : value === null ? 'empty' : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
