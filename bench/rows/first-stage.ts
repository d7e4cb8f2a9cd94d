import { type Bench, type Row, readOnce, stageWith, withoutArchive } from '../bench.ts'
import { LOCAL } from '../layout.ts'
import { emptied, inTurns } from '../measure.ts'
import type { Figure } from '../report.ts'
import { peerSession, withoutPeersArchive } from '../session.ts'
import { type Counters, slowly } from '../slowly.ts'

/** From an original on the slow file system, without an archive. Archive and stage are there afterwards. */
export const firstStage: Row = {
  names: ['first-stage'],
  async measure(bench) {
    const figures: Figure[] = []
    for (const latencyMs of bench.firstStageMs) figures.push(await firstAt(latencyMs, bench))
    return figures
  },
}

/** conda-stage 0.7.1 takes minutes, so it is measured at one latency only. */
async function firstAt(latencyMs: number, bench: Bench): Promise<Figure> {
  const slowness = { ...bench.slowness, latencyMs }
  let counts: Counters = {}
  let readingCounts: Counters = {}
  const { ours, reading } = await inTurns(bench.runs, {
    ours: () => {
      withoutArchive(bench)
      return slowly(slowness, async (mount) => {
        const { seconds } = stageWith(bench.programs.local, bench)
        counts = await mount.counters()
        return seconds
      })
    },
    reading: () =>
      slowly(slowness, async (mount) => {
        const seconds = readOnce(bench)
        readingCounts = await mount.counters()
        return seconds
      }),
  })
  emptied(LOCAL)
  const against = [{ name: 'bare reading, 128 in flight', values: reading, limit: 2 }]
  if (latencyMs === bench.slowness.latencyMs && bench.peers.condaStage && bench.peers.conda) {
    const { condaStage } = await inTurns(bench.slowRuns, { condaStage: () => peersFirst(bench) })
    against.push({ name: 'conda-stage 0.7.1 + conda-pack', values: condaStage, limit: 1 / 20 })
  }
  const { lookup, open } = readingCounts
  const note = `bare reading: lookup ${lookup}, open ${open}`
  return { what: `first stage, whole program, ${latencyMs} ms a request`, unit: 's', ours, against, counts, note }
}

async function peersFirst(bench: Bench): Promise<number> {
  withoutPeersArchive(bench)
  return (await peerSession(bench, 'slow')).stage.seconds
}
