import { basename, join } from 'node:path'
import { openBash } from '../bash.ts'
import { type Bench, type Row, withArchive } from '../bench.ts'
import { LOCAL } from '../layout.ts'
import { emptied, inTurns, whenLocalIsEmpty } from '../measure.ts'
import { type Counters, operations, slowly } from '../slowly.ts'

/**
 * A second shell activates a copy that another one uses, and leaves it again: whole calls in bash. With the original at hand the
 * call takes our own time only.
 */
export const joining: Row = {
  names: ['join'],
  async measure(bench) {
    withArchive(bench)
    let counts: Counters = {}
    const own: Joined[] = []
    const slow: Joined[] = []
    await inTurns(bench.runs, {
      own: async () => own.push(await joined(bench)),
      slow: async () =>
        slow.push(
          await slowly(bench.slowness, (mount) =>
            joined(bench, async () => {
              await mount.reset()
              return async () => {
                counts = await mount.counters()
              }
            }),
          ),
        ),
    })
    const seconds = (all: Joined[], call: keyof Joined) => all.map((one) => one[call])
    return [
      { what: 'joining a copy, own time', unit: 's', ours: seconds(own, 'stage'), limit: 0.06, against: [] },
      { what: 'leaving it to others, own time', unit: 's', ours: seconds(own, 'unstage'), against: [] },
      { what: 'joining a copy, original slow', unit: 's', ours: seconds(slow, 'stage'), against: [], counts },
      { what: 'its operations on the original', unit: 'operations', ours: [operations(counts)], against: [], counts },
    ]
  },
}

interface Joined {
  stage: number
  unstage: number
}

/** @param around called before the second shell joins; what it returns is called after */
async function joined(bench: Bench, around = async () => async (): Promise<void> => {}): Promise<Joined> {
  emptied(LOCAL)
  const shells = [openBash(), openBash()] as const
  const { prefix, programs } = bench
  const active = `export CONDA_PREFIX='${prefix}' CONDA_DEFAULT_ENV='${basename(prefix)}' CONDA_SHLVL=1 PATH='${join(prefix, 'bin')}':$PATH`
  try {
    for (const shell of shells) await shell.call(`${active}; eval "$('${programs.local.launcher}' --source bash)"`)
    const stage = `conda-stage --path='${LOCAL}'`
    await shells[0].call(stage)
    const after = await around()
    const second = await shells[1].call(stage)
    await after()
    const unstage = await shells[1].call('conda-stage --unstage')
    await shells[0].call('conda-stage --unstage')
    await whenLocalIsEmpty()
    return { stage: second, unstage }
  } finally {
    for (const shell of shells) shell.close()
  }
}
