/** A Lua string. A newline in it is written as one, behind a backslash; other control characters by number. */
export function quoteLua(text: string): string {
  const inside = text
    .replaceAll(/[\\"\n]/g, '\\$&')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be escaped
    .replaceAll(/[\0-\x09\x0b-\x1f\x7f]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`)
  return `"${inside}"`
}

/** A word in Tcl. Braces are escaped, since Tcl counts them when the word stands in a body within braces. */
export function quoteTcl(text: string): string {
  const inside = text
    .replaceAll(/[\\"$[\]{}]/g, '\\$&')
    // A carriage return would be read as a newline.
    .replaceAll('\r', '\\r')
  return `"${inside}"`
}
