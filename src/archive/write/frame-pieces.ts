import type { FileEntry } from '../../model/entry.ts'
import type { FramePiece } from '../../model/item.ts'
import type { Relocation } from '../../model/relocation.ts'
import { FRAME_SIZE } from '../format.ts'

/** Keeps track of the pieces of files in the frame in hand. */
export class FramePieces {
  #pieces: FramePiece[] = []
  /** The file that is being written. `done` bytes of it are in full frames. */
  #current: { file: FileEntry; frameOffset: number; done: number } | undefined

  /** @param frameOffset where the file's content begins in the frame in hand */
  begin(file: FileEntry, frameOffset: number): void {
    this.#current = { file, frameOffset, done: 0 }
  }

  /** Does nothing for a file that was not begun here. */
  end(relocation: Relocation | undefined): void {
    if (this.#current === undefined) return
    const { file, done } = this.#current
    this.#add(file.size - done, done === 0 ? relocation : undefined)
    this.#current = undefined
  }

  /** The pieces in the frame, which is full. A file that is still being written fills the rest of it. */
  take(): FramePiece[] {
    const current = this.#current
    if (current) {
      this.#add(FRAME_SIZE - current.frameOffset)
      this.#current = { file: current.file, frameOffset: 0, done: current.done + FRAME_SIZE - current.frameOffset }
    }
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  #add(length: number, relocation?: Relocation): void {
    const { file, frameOffset, done } = this.#current!
    this.#pieces.push({ file, contentOffset: done, frameOffset, length, ...(relocation && { relocation }) })
  }
}
