import { isAutoScript } from '../../model/auto-scripts.ts'
import { type BytePath, displayPath } from '../../model/byte-path.ts'
import type { Difference } from './compare.ts'
import type { Facts, Tree } from './tree.ts'

/** What a restored environment would have: files belong to who restores it, and to the group that its folder gives. */
interface Owner {
  uid: number
  gid: number
}

/** How many paths a reason names. */
const SHOWN = 3

/** Why the tree would not come back as it is: other owners and groups, and what is on another file system. */
export function reasonsInTree(tree: Tree, { uid, gid }: Owner): string[] {
  const all = [...tree.values()]
  const top = tree.get('')!
  return [
    ...reason(
      all.filter((facts) => facts.uid !== uid),
      (facts) => `belongs to another user (uid ${facts.uid})`,
    ),
    ...reason(
      all.filter((facts) => facts.gid !== gid),
      (facts) =>
        `has group ${facts.gid}, and a restored one would have group ${gid} (chgrp -hR ${gid} makes that the same)`,
    ),
    ...reason(
      all.filter(({ dev }) => dev !== top.dev),
      () => 'is on another file system',
    ),
    ...reason(
      all.filter(({ path }) => /^(?:pkgs|envs)$/.test(path)),
      () => 'may hold other environments, or packages of theirs',
    ),
  ]
}

const reason = (found: readonly Facts[], why: (facts: Facts) => string): string[] =>
  found.length === 0 ? [] : [`${named(found)} ${why(found[0]!)}`]

/** What an archive leaves out would be lost; each kind has its remedy. */
export function reasonsOfDifferences(differences: readonly Difference[]): string[] {
  const left = differences.filter(({ isLeftOut }) => isLeftOut)
  const scripts = left.filter(({ path }) => isAutoScript(path))
  const others = left.filter(({ path }) => !isAutoScript(path))
  const changed = differences.filter(({ isLeftOut }) => !isLeftOut)
  return [
    ...(scripts.length > 0 ? ['it is staged automatically (conda-stage --auto-stage=disable ends that)'] : []),
    ...byWhy(others).map(
      ([why, found]) => `${named(found)} ${why}: an archive can't hold it (remove it if nobody needs it)`,
    ),
    ...byWhy(changed).map(([why, found]) => `${named(found)} ${why}`),
  ]
}

const byWhy = (differences: readonly Difference[]): [string, Difference[]][] => [
  ...Map.groupBy(differences, ({ why }) => why),
]

function named(found: readonly { path: BytePath }[]): string {
  const shown = found.slice(0, SHOWN).map(({ path }) => displayPath(path) || 'its folder')
  const more = found.length > SHOWN ? ` and ${found.length - SHOWN} more: the first` : ''
  return `${shown.join(', ')}${more}`
}
