import { wordPosix } from '../../activate/quote.ts'
import { shown } from './shown.ts'

/** A path as it can be pasted into a shell; into bash, zsh or ksh if it holds what must not reach a terminal. */
export function shellWord(path: string): string {
  if (shown(path) === path) return wordPosix(path)
  return `$'${shown(path.replaceAll(/[\\']/g, '\\$&'))}'`
}
