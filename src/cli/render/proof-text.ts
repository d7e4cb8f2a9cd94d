import type { AskedMount, Count, Proof, Remaining } from '../../evidence/proof.ts'
import { counted, grouped } from '../../model/amounts.ts'
import { homeOf } from '../../platform/home.ts'
import { heading } from './messages.ts'
import { shown } from './shown.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** For people: where names were looked up, what is left on file servers, and why. */
export function proofText(proof: Proof, env: Variables): string {
  const { lookUps, notFound, files, touched, remaining, lookUpsOfOriginal, unknown, isBlind } = proof
  const home = homeOf(env)
  const line = (text: string) => `${shown(text)}\n`
  const share = files > 0 ? ` (${percent(touched / files)})` : ''
  return [
    line(`${counted(lookUps, 'look-up')}: ${placesOf(proof, home).join(', ')}`),
    line(`${grouped(notFound)} of these found nothing`),
    ...(unknown > 0 ? [line(`${counted(unknown, 'look-up')} of names whose folder is not known`)] : []),
    ...(isBlind ? [line("There may be more: a program used io_uring, which strace can't see")] : []),
    line(`${grouped(touched)} of ${counted(files, 'file')} of the environment were looked at${share}`),
    line(
      lookUpsOfOriginal === 0
        ? 'The original was not asked for anything'
        : `The original was asked ${times(lookUpsOfOriginal)}: ${proof.original}`,
    ),
    ...(remaining.length > 0 ? ['\n', `${heading('What is still looked up on file servers, and why:')}\n`] : []),
    ...remaining.flatMap((each) => remainingLines(each, home).map(line)),
  ].join('')
}

function remainingLines({ folder, fsType, why, remedy, examples, ...count }: Remaining, home: string): string[] {
  const others = examples
    .filter((example) => example !== folder)
    .map((example) => `    such as ${tilde(example, home)}`)
  return [`  ${countOf(count)} on ${fsType}: ${tilde(folder, home)}`, `    ${why}`, ...others, `    -> ${remedy}`]
}

function countOf({ lookUps, notFound }: Count): string {
  const missing = notFound === lookUps ? ' (nothing was there)' : ` (${grouped(notFound)} found nothing)`
  return counted(lookUps, 'look-up') + (notFound === 0 ? '' : missing)
}

/** Local disks together, the kernel's own, and each kind of file server. */
function placesOf({ mounts, remaining }: Proof, home: string): string[] {
  const of = (kind: AskedMount['kind']) => mounts.filter((mount) => mount.kind === kind)
  const local = of('local').sort((a, b) => Number(b.hasCopy) - Number(a.hasCopy))
  const networks = Map.groupBy(of('network'), ({ fsType }) => fsType)
  return [
    ...together('on local disk', local),
    ...together('in the kernel', of('kernel')),
    ...[...networks].map(([fsType, own]) => {
      const folders = remaining.filter((each) => own.some(({ mountPoint }) => mountPoint === each.mountPoint))
      const names = folders.length > 0 ? folders.map(({ folder }) => tilde(folder, home)) : pointsOf(own)
      return `${grouped(sum(own))} on ${fsType} (${firstOf(names)})`
    }),
  ]
}

const together = (where: string, mounts: readonly AskedMount[]): string[] =>
  mounts.length === 0 ? [] : [`${grouped(sum(mounts))} ${where} (${firstOf(pointsOf(mounts))})`]

const pointsOf = (mounts: readonly AskedMount[]): string[] => mounts.map(({ mountPoint }) => mountPoint)

const MOST_NAMES = 3

const firstOf = (names: readonly string[]): string =>
  names.length <= MOST_NAMES
    ? names.join(', ')
    : `${names.slice(0, MOST_NAMES).join(', ')} and ${names.length - MOST_NAMES} more`

const sum = (counts: readonly Count[]): number => counts.reduce((total, { lookUps }) => total + lookUps, 0)

const tilde = (path: string, home: string): string =>
  home !== '/' && (path === home || path.startsWith(`${home}/`)) ? `~${path.slice(home.length)}` : path

const times = (count: number): string => (count === 1 ? 'once' : `${grouped(count)} times`)

const percent = (share: number): string =>
  share > 0 && share < 0.0005 ? 'less than 0.1%' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`
