/**
 * What a terminal obeys instead of showing it, and what changes the direction or the lines of a text: control characters, C1
 * ones among them, line separators, the marks and overrides of writing direction, and halves of characters.
 */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/gu

/**
 * A text of one line, in which names and paths may be anything, as it may reach a terminal. Everything for people passes here,
 * just before it is written.
 */
export const shown = (text: string): string => text.replace(UNSEEN, escaped)

/** Output of another program, which has lines of its own and writes some of them again. */
export const shownOutput = (text: string): string =>
  text.replace(UNSEEN, (character) => (/[\n\r\t]/.test(character) ? character : escaped(character)))

/** A value as JSON. JSON itself escapes only some of these characters, and a terminal may be all that reads it. */
export const jsonText = (value: unknown): string => JSON.stringify(value).replace(UNSEEN, unicode)

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(character: string): string {
  const code = character.codePointAt(0)!
  return NAMED[character] ?? (code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : unicode(character))
}

const unicode = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
