import { nearest } from '../config/suggest.ts'

/** Words that other programs use, and the option that does it here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  activate: 'stage',
  build: 'pack',
  create: 'stage',
  deactivate: 'unstage',
  delete: 'unstage',
  directory: 'path',
  env: 'prefix',
  info: 'status',
  init: 'source',
  ls: 'list',
  off: 'unstage',
  on: 'stage',
  prune: 'clean',
  remove: 'unstage',
  revert: 'unstage',
  rm: 'unstage',
  run: 'exec',
  show: 'status',
  silent: 'quiet',
  start: 'stage',
  stop: 'unstage',
  test: 'verify',
  update: 'pack',
  usage: 'help',
  validate: 'verify',
  who: 'list',
}

/** What is probably meant by a word or an option that conda-stage does not know. `names`: of all options, without dashes. */
export function didYouMean(word: string, names: readonly string[]): string {
  const bare = word.replace(/^-+/, '').replace(/=.*$/s, '').toLowerCase()
  const elsewhere = Object.hasOwn(ELSEWHERE, bare) ? ELSEWHERE[bare] : undefined
  const meant = names.find((name) => name === bare) ?? elsewhere ?? (bare && nearest(bare, names))
  return meant ? `; did you mean '--${meant}'?` : ''
}
