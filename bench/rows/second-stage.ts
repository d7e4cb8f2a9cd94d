import { type Bench, type Row, withArchive } from '../bench.ts'
import { inTurns } from '../measure.ts'
import type { Figure } from '../report.ts'
import { type CondaAt, ourSession, peerSession, type Session } from '../session.ts'

/** Stage from an existing archive, and unstage: whole calls in bash, with conda on the slow file system and outside it. */
export const secondStage: Row = {
  names: ['second-stage', 'unstage'],
  async measure(bench) {
    withArchive(bench)
    if (!bench.peers.conda) return figures(bench, 'nowhere', 0)
    return [...(await figures(bench, 'slow', 1 / 15)), ...(await figures(bench, 'local', 1 / 5))]
  },
}

async function figures(bench: Bench, conda: CondaAt, limit: number): Promise<Figure[]> {
  const ours: Session[] = []
  const theirs: Session[] = []
  const second = async (into: Session[], open: typeof ourSession) => into.push(await open(bench, conda))
  if (bench.peers.condaStage) await peerSession(bench, 'local') // writes its archive if there is none
  await inTurns(bench.runs, {
    ours: () => second(ours, ourSession),
    ...(bench.peers.condaStage && { theirs: () => second(theirs, peerSession) }),
  })
  const where = conda === 'nowhere' ? 'no conda' : `conda ${conda}`
  return (['stage', 'unstage'] as const).map((call) => ({
    what: `${call === 'stage' ? 'second stage' : 'unstage'}, whole call, ${where}`,
    unit: 's',
    ours: ours.map((session) => session[call].seconds),
    ...(call === 'unstage' && { limit: 0.3 }),
    against: theirs.length
      ? [
          {
            name: 'conda-stage 0.7.1',
            values: theirs.map((session) => session[call].seconds),
            ...(call === 'stage' && { limit }),
          },
        ]
      : [],
    counts: ours.at(-1)![call].counts,
  }))
}
