/** A Lua string. A newline is written after a backslash, other control characters by number. */
export function quoteLua(text: string): string {
  const inside = text
    .replaceAll(/[\\"\n]/g, '\\$&')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these have to be escaped
    .replaceAll(/[\0-\x09\x0b-\x1f\x7f]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`)
  return `"${inside}"`
}

/** A word in Tcl. Braces are escaped because Tcl counts them in a body between braces. */
export function quoteTcl(text: string): string {
  const inside = text
    .replaceAll(/[\\"$[\]{}]/g, '\\$&')
    // Tcl would read a carriage return as a newline.
    .replaceAll('\r', '\\r')
  return `"${inside}"`
}
