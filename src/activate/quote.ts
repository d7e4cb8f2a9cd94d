/**
 * Quote any text for bash, zsh and POSIX sh. Within single quotes nothing is special but the quote itself, which is
 * written outside of them: also right in zsh with RC_QUOTES, where a doubled quote would be one.
 */
export function quotePosix(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
