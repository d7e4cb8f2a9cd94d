import { throwIfCancelled } from '../inventory/cancel.ts'
import { archiveOrder } from '../inventory/order.ts'
import { type ReadOptions, readFiles, readOthers } from '../inventory/read.ts'
import type { FileOrder } from '../inventory/read-ahead.ts'
import type { ArchiveItem, PackedFrame } from '../model/item.ts'
import type { Listed } from '../model/listed.ts'
import type { Runs } from './runs.ts'

/**
 * Everything in the environment, its files packed in worker threads, each of which reads, looks through and compresses files
 * of its own, a frame at a time. For file systems that answer at once: there reading is no more than a copy, and to hand a
 * content about costs more than to read it. From where the file system turns out to be slow, files are read as by
 * `readItems`, with many requests at once. What comes is the same, in the archive's order, whatever the number of threads.
 * @param read for files that are not packed in runs
 * @throws as `readItems`
 */
export async function* packedItems(
  environment: { prefix: string },
  entries: readonly Listed[],
  { runs, read }: { runs: Runs; read: ReadOptions },
): AsyncGenerator<ArchiveItem | PackedFrame> {
  const { prefix } = environment
  const { files, ...others } = archiveOrder(entries)
  const order: FileOrder = { prefix, files, names: new Map() }
  try {
    runs.goOn(order, entries)
    yield* readOthers(environment, others, read)
    for (let run = runs.take(); run !== undefined; run = runs.take()) {
      throwIfCancelled(read.signal, prefix)
      let next = run.from
      if (run.packed !== undefined) {
        const packed = await runs.settle(run)
        yield* runs.itemsOf(run, packed, (bytes, path) => read.onRead?.(bytes, path))
        next += packed.files.length
        if (packed.stopped === 'slow') return yield* readFiles(order, { ...read, from: next })
        if (packed.stopped !== 'file') {
          runs.putBack(next, run.until)
          continue
        }
      }
      // Too large for a frame, or changed just now.
      yield* readFiles(order, { ...read, from: next, until: next + 1 })
      runs.putBack(next + 1, run.until)
    }
  } finally {
    await runs.end()
  }
}
