import { isAsRead } from '../inventory/open-file.ts'
import { byPackage } from '../inventory/order.ts'
import type { FileOrder } from '../inventory/read-ahead.ts'
import { changedFolders } from '../inventory/settle.ts'
import { type BytePath, parentOf } from '../model/byte-path.ts'
import type { Listed, ListedName } from '../model/listed.ts'
import { release } from '../platform/release.ts'
import type { PackedFiles } from './packed-files.ts'
import type { Packing, RunPacker } from './run-packer.ts'

/** All of them are kept until the listing has ended, with their content if that is wanted too. */
const MOST = 8
const MOST_SHARED = 3

/** A run of files as the records list them. */
interface RecordedRun {
  names: readonly ListedName[]
  /** None for a file that is too large for a frame. */
  packing: Packing | undefined
}

/** What an early run is in the archive's order: it covers the files from number `from` up to but without number `until`. */
export interface EarlyRun {
  from: number
  until: number
  packing: Packing | undefined
  /**
   * The first files that the run covers, if they were packed and are still the same. `undefined` if they can't be used: the
   * records had something wrong, a file has changed since, or packing has failed.
   */
  result(): Promise<PackedFiles | undefined>
}

/** The first runs of what conda's records list, begun before the listing of the environment has ended. */
export class EarlyRuns {
  readonly #runs: RecordedRun[] = []
  readonly #since = Date.now()

  /** @param recorded in the archive's order */
  constructor(packer: RunPacker, recorded: readonly ListedName[]) {
    const most = packer.shareContent ? MOST_SHARED : MOST
    for (let from = 0; this.#runs.length < most && from < recorded.length; ) {
      const until = packer.endOfRun(recorded, from)
      const names = recorded.slice(from, Math.max(until, from + 1))
      this.#runs.push({ names, packing: until > from ? packer.begin(names, { mayBeMissing: true }) : undefined })
      from += names.length
    }
  }

  /** @param listed everything in the environment */
  inOrder(order: FileOrder, listed: readonly Listed[]): EarlyRun[] {
    const changed = changedFolders(listed, this.#since)
    const { files } = order
    let next = 0
    const runs = this.#runs.map((run): EarlyRun => {
      const last = run.names.at(-1)!
      const from = next
      while (next < files.length && byPackage(files[next]!, last) <= 0) next++
      return { from, until: next, packing: run.packing, result: () => resultOf(run, order, { from, changed }) }
    })
    return runs.filter(({ from, until }) => from < until)
  }
}

async function resultOf(
  { names, packing }: RecordedRun,
  { prefix, files }: FileOrder,
  { from, changed }: { from: number; changed: ReadonlySet<BytePath> },
): Promise<PackedFiles | undefined> {
  const packed = await packing?.packed.catch(() => undefined)
  if (packed === undefined) return undefined
  const there = [...packed.files.entries()].filter(([, { facts }]) => facts !== undefined)
  const isAsListed = there.every(([at], number) => files[from + number]?.path === names[at]!.path)
  const isSame = async ([at, { facts }]: (typeof there)[number]): Promise<boolean> => {
    const { path } = names[at]!
    return !changed.has(parentOf(path)) || (await isAsRead({ prefix, path }, facts!))
  }
  if (isAsListed && (await Promise.all(there.map(isSame))).every(Boolean))
    return { ...packed, files: there.map(([, file]) => file) }
  release(packed.stored)
  return undefined
}
