import { throwIfCancelled } from '../inventory/cancel.ts'
import { fileEntry } from '../inventory/facts.ts'
import { Inodes } from '../inventory/inodes.ts'
import { archiveOrder } from '../inventory/order.ts'
import { type ReadOptions, readFiles, readOthers } from '../inventory/read.ts'
import type { FileOrder } from '../inventory/read-ahead.ts'
import type { ArchiveItem, PackedFrame } from '../model/item.ts'
import type { Listed } from '../model/listed.ts'
import { CopiedRuns, type Copies } from './copied-runs.ts'
import type { RunPacker } from './run-packer.ts'
import { Runs, type Step } from './runs.ts'

export interface PackedItemsOptions {
  packer: RunPacker
  /** Of the files on the local disk. Without them, the threads read the files themselves. */
  copies?: Copies | undefined
  /** For files that are not packed in runs. */
  read: ReadOptions
}

/**
 * Everything in the environment, with its files packed in worker threads: each thread reads, scans and compresses files of its
 * own, a frame at a time. This is for file systems that answer at once, or for copies of the files on the local disk. There,
 * reading is no more than copying, and handing content from one thread to another costs more. Once the file system turns out to be
 * slow, the rest is read as by `readItems`, with many requests at once. The result and its order do not depend on the number of
 * threads.
 * @throws as `readItems`
 */
export async function* packedItems(
  environment: { prefix: string },
  entries: readonly Listed[],
  { packer, copies, read }: PackedItemsOptions,
): AsyncGenerator<ArchiveItem | PackedFrame> {
  const { prefix } = environment
  const { files, ...others } = archiveOrder(entries)
  const order: FileOrder = { prefix, files, inodes: new Inodes() }
  const runs = copies ? new CopiedRuns(packer, order, copies) : new Runs(packer, order)
  try {
    yield* readOthers(environment, others, read)
    for await (const step of runs.steps()) {
      throwIfCancelled(read.signal, prefix)
      if (step.kind === 'packed') yield* itemsOf(step, order, read)
      else if (step.kind === 'read') yield* readFiles(order, { ...read, from: step.number, until: step.number + 1 })
      else yield* readFiles(order, { ...read, from: step.from })
    }
  } finally {
    await runs.end()
  }
}

/** Further names, then the frame with all files that have content. */
function* itemsOf(
  { from, packed, content, release }: Extract<Step, { kind: 'packed' }>,
  { files, inodes }: FileOrder,
  { onRead }: ReadOptions,
): Generator<ArchiveItem | PackedFrame> {
  const inFrame: PackedFrame['files'] = []
  for (const [at, { facts, content }] of packed.files.entries()) {
    const name = files[from + at]!
    onRead?.(content && facts ? facts.size : 0, name.path)
    if (facts === undefined) continue
    if (content) inFrame.push({ ...fileEntry(name, facts), ...content })
    else {
      const { mode, mtimeNs } = facts
      const target = files[inodes.ownerOf(facts)!]!.path
      yield { entry: { type: 'hardlink', path: name.path, mode, mtimeNs, target } }
    }
  }
  if (inFrame.length === 0) return release()
  const { size, storedChecksum } = packed
  const { buffer, byteOffset, length } = packed.stored
  const stored = Buffer.from(buffer, byteOffset, length)
  yield { files: inFrame, size, stored, storedChecksum, ...(content && { content }), release }
}
