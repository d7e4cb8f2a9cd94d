import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { archiveOf, type Bench, type Row, stageWith, withArchive } from '../bench.ts'
import { LOCAL, TOP } from '../layout.ts'
import { emptied, inTurns, run } from '../measure.ts'

/** Everything on local disk: from an archive to a stage, by itself and as the whole program. */
export const extraction: Row = {
  names: ['extraction'],
  async measure(bench) {
    withArchive(bench)
    const plain = join(TOP, 'plain.tar')
    run('zstd', ['-dqf', archiveOf(bench), '-o', plain])
    const { program, phase, zstd, tar, copy } = await inTurns(bench.runs, {
      phase: () => extractionPhase(bench),
      program: () => stageWith(bench.programs.local, bench).seconds,
      zstd: () => run('tar', ['-C', emptied(LOCAL), '-I', 'zstd', '-xf', archiveOf(bench)]).seconds,
      tar: () => run('tar', ['-C', emptied(LOCAL), '-xf', plain]).seconds,
      copy: () => run('cp', ['-a', bench.prefix, emptied(LOCAL)]).seconds,
    })
    rmSync(plain)
    emptied(LOCAL)
    return [
      {
        what: 'extraction and relocation',
        unit: 's',
        ours: phase,
        against: [
          { name: 'tar -I zstd -xf', values: zstd, limit: 0.9 },
          { name: 'tar -xf, uncompressed', values: tar, limit: 1.5 },
          { name: 'cp -a', values: copy },
        ],
      },
      {
        what: 'second stage, whole program, all local',
        unit: 's',
        ours: program,
        against: [{ name: 'tar -I zstd -xf', values: zstd }],
      },
    ]
  },
}

/** Timed by the program itself, without its start and its search for archive and local disk. */
function extractionPhase({ programs: { local }, prefix }: Bench): number {
  const code = `import { stage } from ${JSON.stringify(join(local.root, 'dist/index.js'))}
    const onProgress = (event) => { if (event.kind === 'done' && event.phase === 'extract') console.log(event.seconds) }
    await stage({ prefix: ${JSON.stringify(prefix)}, path: ${JSON.stringify(emptied(LOCAL))}, onProgress })`
  return Number(run(local.node, ['--input-type=module', '-e', code], { env: { UV_THREADPOOL_SIZE: '128' } }).stdout)
}
