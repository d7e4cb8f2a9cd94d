import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Bench, type Row, withArchive, withoutArchive } from '../bench.ts'
import { inTurns, run } from '../measure.ts'
import { type Counters, slowly } from '../slowly.ts'

/** Reinstalls a package and repacks. Compared with packing from nothing. */
export const repack: Row = {
  names: ['repack'],
  async measure(bench) {
    let counts: Counters = {}
    const pack = () =>
      slowly(bench.slowness, async (mount) => {
        const { seconds } = run(bench.programs.local.launcher, ['--pack', `--prefix=${bench.prefix}`, '--quiet'])
        counts = await mount.counters()
        return seconds
      })
    const { full, ours } = await inTurns(bench.runs, {
      full: () => {
        withoutArchive(bench)
        return pack()
      },
      ours: () => {
        withArchive(bench)
        reinstall(bench)
        return pack()
      },
    })
    const against = [{ name: 'full pack', values: full, limit: 0.15 }]
    return [
      {
        what: 'repack after one package changed',
        unit: 's',
        ours,
        against,
        counts,
        note: `readBytes: of ${bytesOf(bench)}`,
      },
    ]
  },
}

/** Gives every file of one small package new content, and records it as conda does. */
export function reinstall({ prefix }: Bench): void {
  const meta = join(prefix, 'conda-meta')
  const records = readdirSync(meta)
    .filter((name) => name.endsWith('.json'))
    .map((name) => ({
      path: join(meta, name),
      files: JSON.parse(readFileSync(join(meta, name), 'utf8')).files as string[],
    }))
    .filter(({ files }) => files.length > 0)
  const smallest = records.reduce((a, b) => (b.files.length < a.files.length ? b : a))
  for (const file of smallest.files) replace(join(prefix, file), '\n')
  replace(smallest.path, ' ')
  replace(join(meta, 'history'), '# reinstalled\n')
}

/** Replaces the file, since the name may be a hard link into the package cache. */
function replace(path: string, added: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return
  const { mode } = statSync(path)
  rmSync(`${path}.new`, { force: true })
  writeFileSync(`${path}.new`, Buffer.concat([readFileSync(path), Buffer.from(added)]), { mode })
  renameSync(`${path}.new`, path)
}

const bytesOf = ({ prefix }: Bench): string => run('du', ['-sb', prefix]).stdout.split('\t')[0]!
