import { StageError } from '../errors.ts'

/** A slip such as `n[1-9999999]` must not fill the memory. */
const MOST_NODES = 100_000

/** Names, addresses and `USER@HOST` for ssh. No name begins with a dash: launchers would take it for an option. */
const NAME = /^[A-Za-z0-9_][\w.:@-]*$/

/**
 * The nodes of a list as a user writes it: `n1,n2`, or shorter `n[1-3,07-12],gpu[1-2]-ib`, as Slurm has it. A name that comes
 * again counts once.
 * @throws StageError USAGE
 */
export function nodesOfList(list: string): string[] {
  const nodes = new Set<string>()
  for (const item of itemsOf(list))
    for (const name of namesOf(item, list)) {
      if (!NAME.test(name)) throw wrong(list, `'${name}' is no name of a node`)
      nodes.add(name)
      if (nodes.size > MOST_NODES) throw wrong(list, `it has more than ${MOST_NODES} nodes`)
    }
  if (nodes.size === 0) throw wrong(list, 'it names no node')
  return [...nodes]
}

/** Commas within brackets belong to their item. */
const itemsOf = (list: string): string[] =>
  list
    .split(/,(?![^[]*\])/)
    .map((item) => item.trim())
    .filter((item) => item !== '')

function* namesOf(item: string, list: string): Generator<string> {
  const [, before, ranges, after] = /^([^[]*)\[([^\]]*)\](.*)$/.exec(item) ?? []
  if (before === undefined || ranges === undefined || after === undefined) return yield item
  for (const range of ranges.split(','))
    for (const number of numbersOf(range, list)) for (const rest of namesOf(after, list)) yield before + number + rest
}

/** With leading zeros, all numbers of a range are as long as its first. */
function* numbersOf(range: string, list: string): Generator<string> {
  const [, first, last = first] = /^ *(\d{1,9})(?:-(\d{1,9}))? *$/.exec(range) ?? []
  if (first === undefined || last === undefined) throw wrong(list, `'${range}' is neither a number nor a range`)
  if (Number(first) > Number(last)) throw wrong(list, `the range ${range} goes down`)
  for (let number = Number(first); number <= Number(last); number++) yield `${number}`.padStart(first.length, '0')
}

const wrong = (list: string, why: string): StageError =>
  new StageError('USAGE', `--nodes=${list} can't be used: ${why}`, {
    hint: 'Name all nodes of the job by --nodes=all, or some by a list: --nodes=n1,n2 or --nodes=n[1-3,7]',
  })

/** So many names are told one by one. */
const FEW = 16

/** For messages. */
export const shortList = (names: readonly string[]): string =>
  names.length <= FEW ? names.join(',') : `${names.slice(0, FEW).join(',')},...`
