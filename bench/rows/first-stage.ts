import { type Bench, type Row, readOnce, stageWith, withoutArchive } from '../bench.ts'
import { LOCAL } from '../layout.ts'
import { emptied, inTurns } from '../measure.ts'
import { peerSession, withoutPeersArchive } from '../session.ts'
import { type Counters, slowly } from '../slowly.ts'

/** From an original on the slow file system, without an archive. Archive and stage are there afterwards. */
export const firstStage: Row = {
  names: ['first-stage'],
  async measure(bench) {
    const { runs, slowness, programs } = bench
    let counts: Counters = {}
    const { ours, reading } = await inTurns(runs, {
      ours: () => {
        withoutArchive(bench)
        return slowly(slowness, async (mount) => {
          const { seconds } = stageWith(programs.local, bench)
          counts = await mount.counters()
          return seconds
        })
      },
      reading: () => slowly(slowness, async () => readOnce(bench, 64)),
    })
    emptied(LOCAL)
    const against = [{ name: 'reading every file once, 64 in flight', values: reading, limit: 1.2 }]
    if (bench.peers.condaStage && bench.peers.conda) {
      const { condaStage } = await inTurns(bench.slowRuns, { condaStage: () => peersFirst(bench) })
      against.push({ name: 'conda-stage 0.7.1 + conda-pack', values: condaStage, limit: 1 / 20 })
    }
    return [{ what: 'first stage, whole program', unit: 's', ours, against, counts }]
  },
}

async function peersFirst(bench: Bench): Promise<number> {
  withoutPeersArchive(bench)
  return (await peerSession(bench, 'slow')).stage.seconds
}
