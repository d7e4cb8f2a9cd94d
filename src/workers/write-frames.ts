import type { MessagePort } from 'node:worker_threads'
import type { ExtractReport, FrameMessage, Report, WriteJob } from './protocol.ts'
import type { Piece } from './work-list.ts'
import { PieceWriter } from './write-pieces.ts'

/** Writes the frames that the main thread hands over, until it says that there are no more. */
export function writeFrames(job: WriteJob, port: MessagePort): Promise<ExtractReport> {
  const given = ({ relocation }: Piece) => relocation && { key: relocation, read: () => relocation }
  // The archive's writer reads the same memory.
  const writer = new PieceWriter<Piece>(job, given, { mayEdit: false })
  return new Promise((resolve, reject) => {
    const take = (message: FrameMessage): void => {
      try {
        if (message.kind === 'end') {
          // Without a listener the port keeps the thread no longer.
          port.off('message', take)
          resolve(writer.report)
          return
        }
        const content = Buffer.from(message.content, 0, message.length)
        for (const piece of message.pieces) writer.write(content, piece)
        port.postMessage({ kind: 'written' } satisfies Report)
      } catch (error) {
        port.off('message', take)
        reject(error)
      }
    }
    port.on('message', take)
  })
}
