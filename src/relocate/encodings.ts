import type { Encoding, Escaping } from '../model/relocation.ts'

const tableOf = (characters: string, escaped: (character: string) => string): Record<string, string> =>
  Object.fromEntries([...characters].map((character) => [character, escaped(character)]))
const behindBackslash = (characters: string) => tableOf(characters, (character) => `\\${character}`)

/** What bash escapes in a word. */
const WORD = ' \t!"$&\'()*,;<>?[\\]^`{|}'

/** What takes the place of single characters. All other characters are UTF-8. */
export const escapings: Record<Escaping, Readonly<Record<string, string>>> = {
  // A word, as bash's `printf %q` writes it.
  'shell-word': behindBackslash(WORD),
  'zsh-word': behindBackslash(' \t#"$&\'()*;<>?[\\]^`{|}'),
  // In a recipe of make, and in compile_commands.json.
  'make-shell-word': { ...behindBackslash(WORD), $: '\\$$' },
  'json-shell-word': tableOf(WORD, (character) => JSON.stringify(`\\${character}`).slice(1, -1)),
  // Within double quotes.
  'shell-quoted': behindBackslash('"$`\\'),
  // Within single quotes, as most programs write it and as Python's shlex.quote does.
  'shell-single': { "'": "'\\''" },
  'shell-single-double': { "'": `'"'"'` },
  // Within single quotes of Python, Perl, JavaScript and fish.
  'single-backslash': behindBackslash("'\\"),
  make: { ...behindBackslash(' #'), $: '$$' },
  dollars: { $: '$$' },
  ninja: tableOf('$ :', (character) => `$${character}`),
  xml: { '&': '&amp;', '<': '&lt;', '>': '&gt;' },
  'xml-attribute': { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' },
  'xml-quotes': { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' },
  // Python's html.escape
  html: { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#x27;' },
  // JSON that may stand in HTML, as Go writes it.
  'json-html': {
    ...behindBackslash('"\\'),
    ...tableOf('&<>', (character) => `\\u00${character.charCodeAt(0).toString(16)}`),
  },
  // /etc/fstab and /proc/mounts
  octal: tableOf(' \t\n\\', (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`),
  // systemd
  hex: tableOf(' \t\n"\\', (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`),
  // JavaScript's encodeURI, which leaves more signs than Python's quote
  uri: tableOf(' "%<>[\\]^`{|}', (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
  // Basic regular expressions, and those between slashes
  regex: behindBackslash('.*[]^$\\'),
  'regex-slash': behindBackslash('/.*[]^$\\'),
  // Python's re.escape
  're-escape': behindBackslash('\t\n\v\f\r #$&()*+-.?[\\]^{|}~'),
  // Perl's quotemeta
  quotemeta: behindBackslash(' !"#$%&\'()*+,-./:;<=>?@[\\]^`{|}~'),
  // Perl, within double quotes: a home may be called after name@domain.
  'perl-quoted': behindBackslash('"$@\\'),
  // YAML and SQL, within single quotes
  'doubled-quote': { "'": "''" },
  // Format strings, ini files and systemd units
  'doubled-percent': { '%': '%%' },
}

const escapers = Object.fromEntries(
  Object.entries(escapings).map(([name, table]) => [
    name,
    (text: string) => Buffer.from(Array.from(text, (character) => table[character] ?? character).join(''), 'utf8'),
  ]),
) as Record<Escaping, (text: string) => Buffer>

/** Spells a prefix in each encoding. */
export const encodings: Record<Encoding, (prefix: string) => Buffer> = {
  utf8: (prefix) => Buffer.from(prefix, 'utf8'),
  'json-slash': (prefix) => Buffer.from(JSON.stringify(prefix).slice(1, -1).replaceAll('/', '\\/'), 'utf8'),
  'json-ascii': (prefix) => Buffer.from(jsonAscii(prefix), 'latin1'),
  percent: (prefix) => Buffer.from(percent(prefix), 'latin1'),
  utf16le: (prefix) => Buffer.from(prefix, 'utf16le'),
  utf16be: (prefix) => Buffer.from(prefix, 'utf16le').swap16(),
  utf32le: (prefix) => utf32le(prefix),
  utf32be: (prefix) => utf32le(prefix).swap32(),
  ...escapers,
}

/** Bytes per code unit. */
export const unitWidth = (encoding: Encoding): 1 | 2 | 4 =>
  encoding.startsWith('utf16') ? 2 : encoding.startsWith('utf32') ? 4 : 1

/** A prefix in one spelling. */
export interface Needle {
  bytes: Buffer
  /** Index of the prefix in the given list. */
  prefix: number
  encoding: Encoding
}

/** All spellings of all prefixes. If several are the same bytes, only the first is kept: plain ASCII is utf8. */
export function needlesOf(prefixes: readonly string[]): Needle[] {
  const needles = new Map<string, Needle>()
  for (const [prefix, text] of prefixes.entries()) {
    for (const encoding of Object.keys(encodings) as Encoding[]) {
      const bytes = encodings[encoding](text)
      const key = bytes.toString('latin1')
      if (!needles.has(key)) needles.set(key, { bytes, prefix, encoding })
    }
  }
  return [...needles.values()]
}

/** Spells text as Python's json.dumps does: in ASCII only, with DEL escaped. */
function jsonAscii(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Spells a path as Python's urllib.parse.quote does. */
function percent(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[^A-Za-z0-9_.~/-]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

function utf32le(text: string): Buffer {
  const characters = [...text]
  const bytes = Buffer.alloc(4 * characters.length)
  characters.forEach((character, index) => {
    bytes.writeUInt32LE(character.codePointAt(0)!, 4 * index)
  })
  return bytes
}
