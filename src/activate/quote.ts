/**
 * Quotes any text for bash, zsh and POSIX sh. Inside single quotes only the quote itself is special, so it goes outside.
 * That also works in zsh with RC_QUOTES, where a doubled quote stands for one.
 */
export function quotePosix(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** The same for commands that people read: what needs no quotes has none. */
export const wordPosix = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : quotePosix(text))
