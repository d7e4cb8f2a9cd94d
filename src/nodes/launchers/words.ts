import { StageError } from '../../errors.ts'

/** What means itself in every shell. zsh looks for a program behind a leading `=`. */
const PLAIN = /^[\w./:@+,-][\w./:=@+,-]*$/

/**
 * The words of a command as one line for whatever login shell a user has on the other machine: sh, bash, zsh, ksh, csh, tcsh and fish
 * agree only on a backslash before a single character. Within quotes they don't (`!` in csh, `\'` in fish).
 * @throws StageError NODES_FAILED for a line break or another control character
 */
export function forAnyShell(words: readonly string[]): string {
  return words
    .map((word) => {
      if (/\p{Cc}/u.test(word) || word === '') throw unfit(word, 'A control character')
      return word.replace(/[ -~]/g, (letter) => (PLAIN.test(letter) ? letter : `\\${letter}`))
    })
    .join(' ')
}

/**
 * For launchers of which nobody knows whether they go through a shell.
 * @throws StageError NODES_FAILED if a shell would read something else than the words themselves
 */
export function plainWords(words: readonly string[]): readonly string[] {
  for (const word of words) if (!PLAIN.test(word)) throw unfit(word, 'A space or a special character')
  return words
}

const unfit = (word: string, what: string): StageError =>
  new StageError('NODES_FAILED', `${what} in the path of conda-stage keeps it from starting on nodes: ${word}`, {
    path: word,
    hint: 'Install conda-stage in a folder with a plain name.',
  })
