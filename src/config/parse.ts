import * as v from 'valibot'
import { type Document, isMap, isNode, isScalar, type Pair } from 'yaml'
import { type Kind, keyOf, SETTING_NAMES, type SettingName, type Settings, settingOf } from './settings.ts'
import { nearest } from './suggest.ts'
import { type Parsed, parseYaml, toValue } from './yaml.ts'

export interface Mistake {
  /** From 1; undefined if the file can't be read at all. */
  line?: number
  /** As written in the file. */
  key?: string
  message: string
}

/** Parses the bytes of a configuration file. One wrong key does not affect the others. */
export function parseConfig(bytes: Buffer): { values: Partial<Settings>; mistakes: Mistake[] } {
  const parsed = parseYaml(bytes)
  // After an error, the parser may see keys that nobody wrote.
  if ('mistakes' in parsed) {
    const hint = bracesHint(String(bytes))
    return { values: {}, mistakes: parsed.mistakes.map(({ line, message }) => ({ line, message: message + hint })) }
  }
  const { document } = parsed
  if (isEmpty(document)) return { values: {}, mistakes: [] }
  if (!isMap(document.contents)) return { values: {}, mistakes: [{ line: 1, message: "has no 'KEY: VALUE' lines" }] }
  const values: Record<string, unknown> = {}
  const mistakes: Mistake[] = []
  const seen = new Set<string>()
  for (const pair of document.contents.items) {
    const { line, key } = placeOf(pair, parsed)
    const name = SETTING_NAMES.find((each) => keyOf(each) === key)
    const checked = seen.has(key) ? TWICE : name ? checkValue(name, pair, document) : unknownKey(key)
    seen.add(key)
    if ('mistake' in checked) mistakes.push({ line, key, message: checked.mistake })
    else values[name!] = checked.value
  }
  return { values, mistakes }
}

const TWICE = { mistake: 'it is there twice' }

/** Between brackets YAML reads braces as a map, which surprises people who name a folder. */
const bracesHint = (text: string): string =>
  /\[[^\n"']*\{(user|job)\}/.test(text) ? '; between [ and ], put a path with {user} or {job} into quotes' : ''

const isEmpty = ({ contents }: Document.Parsed): boolean =>
  contents === null || (isScalar(contents) && contents.value === null)

function placeOf({ key }: Pair, { lineOf }: Parsed): { line: number; key: string } {
  const start = isNode(key) ? (key.range?.[0] ?? 0) : 0
  return { line: lineOf(start), key: isScalar(key) ? String(key.value) : '(a list or a map)' }
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
  const instead = (Object.hasOwn(INSTEAD, key) ? INSTEAD[key] : undefined) ?? nearest(key, SETTING_NAMES.map(keyOf))
  return { mistake: `there is no such setting${instead === undefined ? '' : `; did you mean '${instead}'?`}` }
}

type Checked = { value: unknown } | { mistake: string }

function checkValue(name: SettingName, pair: Pair, document: Document.Parsed): Checked {
  const kind = settingOf(name)
  const found = isNode(pair.value) ? toValue(pair.value, document) : { value: null, shown: '' }
  if (found === undefined) return { mistake: 'it refers to itself, or is nested too deeply' }
  const { value } = found
  const result = v.safeParse(schemaOf(kind), value)
  if (result.success) return { value: result.output }
  const better = kind.kind === 'choice' && typeof value === 'string' ? nearest(value, kind.of) : undefined
  const suggestion = better === undefined ? '' : `; did you mean '${better}'?`
  return { mistake: `it is ${shownValue(found)}, but takes ${takes(kind)}${suggestion}` }
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

function shownValue({ value, shown }: { value: unknown; shown: string }): string {
  const text = typeof value === 'string' ? `'${value}'` : value === null ? 'empty' : shown
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
