import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { openBash } from '../bash.ts'
import type { Bench, Row } from '../bench.ts'
import { LOCAL } from '../layout.ts'
import { emptied, whenLocalIsEmpty } from '../measure.ts'
import type { Figure } from '../report.ts'
import { type Counters, operations, slowly } from '../slowly.ts'

/** `conda activate` in a session whose conda is on the slow file system, before and after `conda-stage --with-conda`. */
export const withConda: Row = {
  names: ['with-conda'],
  async measure(bench) {
    if (bench.peers.conda === undefined) return []
    const base = dirname(dirname(bench.peers.conda.slow))
    for (const prefix of [base, join(dirname(bench.prefix), 'other')]) {
      mkdirSync(join(prefix, 'conda-meta'), { recursive: true })
      writeFileSync(join(prefix, 'conda-meta/history'), '')
    }
    // The archives of both are there afterwards.
    await measureOnce(bench, base)
    const runs: Measured[] = []
    for (let run = 0; run < bench.runs; run++) runs.push(await measureOnce(bench, base))
    const seconds = (of: 'original' | 'staging' | 'copy') => runs.map((run) => run[of].seconds)
    const against = [{ name: 'from the slow file system', values: seconds('original') }]
    const asked = (of: 'original' | 'copy') => runs.map((run) => operations(run[of].counts))
    const figures: Figure[] = [
      { what: 'conda activate, conda from its copy', unit: 's', ours: seconds('copy'), against },
      {
        what: 'its operations on the slow file system',
        unit: 'operations',
        ours: asked('copy'),
        against: [{ name: 'from the slow file system', values: asked('original') }],
        counts: runs.at(-1)!.copy.counts,
      },
      { what: 'conda-stage --with-conda, second stage', unit: 's', ours: seconds('staging'), against: [] },
    ]
    return figures
  },
}

type Measured = Record<'original' | 'staging' | 'copy', { seconds: number; counts: Counters }>

function measureOnce({ prefix, programs, slowness }: Bench, base: string): Promise<Measured> {
  emptied(LOCAL)
  return slowly(slowness, async (mount) => {
    const bash = openBash()
    const call = async (code: string) => {
      await mount.reset()
      const seconds = await bash.call(code)
      return { seconds, counts: await mount.counters() }
    }
    try {
      await call(`PATH=$PATH:'${base}/condabin'; eval "$('${base}/bin/python' -m conda shell.posix hook)"`)
      await call(`conda activate '${basename(prefix)}'; eval "$('${programs.local.launcher}' --source bash)"`)
      const original = await call('conda activate other')
      await call('conda deactivate')
      const staging = await call(`conda-stage --with-conda --path='${LOCAL}'`)
      const copy = await call(`conda activate other && [ "$_CONDA_ROOT" != '${base}' ]`)
      await call('conda deactivate; conda-stage --unstage')
      await whenLocalIsEmpty()
      return { original, staging, copy }
    } finally {
      bash.close()
    }
  })
}
