import type { MessagePort } from 'node:worker_threads'
import { compressSync } from '../archive/codec.ts'
import { StageError } from '../errors.ts'
import { ownsMemory } from '../platform/release.ts'
import { FilePacker } from './pack-files.ts'
import { decodeNames, encodeFiles } from './packed-files.ts'
import { type FrameReply, type FrameRequest, type PackRequest, toPlain } from './protocol.ts'
import type { Piece } from './work-list.ts'
import { PieceWriter } from './write-pieces.ts'

/** Answers the main thread's requests, one after another, until the thread is ended. */
export function serveFrames(port: MessagePort, stop: Int32Array): void {
  const packer = new FilePacker(stop)
  port.on('message', (request: FrameRequest | PackRequest) => {
    try {
      // What is being written to is being removed.
      if (Atomics.load(stop, 0) === 1) throw new StageError('CANCELLED', 'Packing was cancelled')
      const reply = request.kind === 'pack' ? pack(packer, request) : answer(request)
      port.postMessage(reply, memoryOf(reply))
    } catch (error) {
      port.postMessage({ kind: 'failed', error: toPlain(error) } satisfies FrameReply)
    }
  })
}

function pack(packer: FilePacker, { names, kind: _, ...order }: PackRequest): FrameReply {
  const { files, copies, ...rest } = packer.pack({ ...order, files: decodeNames(names) })
  const failure = copies?.failure === undefined ? {} : { failure: toPlain(copies.failure) }
  return { kind: 'packed', packed: encodeFiles(files), ...rest, ...(copies && { copies: { ...copies, ...failure } }) }
}

function memoryOf(reply: FrameReply): ArrayBuffer[] {
  if (reply.kind === 'packed') return [reply.stored.buffer]
  return reply.kind === 'compressed' ? [reply.data.buffer] : []
}

function answer(request: FrameRequest): FrameReply {
  const content = Buffer.from(request.content, 0, request.length)
  if (request.kind === 'compress') {
    const data = compressSync(request.format, content, request.level)
    return { kind: 'compressed', data: ownsMemory(data) ? data : new Uint8Array(data) }
  }
  // The archive's writer reads the same memory, so it must not be edited.
  const writer = new PieceWriter<Piece>(request.target, given, { mayEdit: false })
  for (const piece of request.pieces) writer.write(content, piece)
  return { kind: 'written', report: writer.report }
}

const given = ({ relocation }: Piece) => relocation && { key: relocation, read: () => relocation }
