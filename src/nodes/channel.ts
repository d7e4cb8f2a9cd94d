import type { Answer, Order } from './protocol.ts'

/** How a node hears the head, and answers. */
export interface Channel {
  /** What this node is called in the job. */
  node: string
  /** Milliseconds. So often a node says that it is alive. */
  beatMs: number
  /** undefined: the head is gone, or this node is told to stop. */
  next(): Promise<Order | undefined>
  /**
   * Writes the bytes that follow an order into a new file.
   * @returns false if the head is gone before its end
   * @throws StageError NO_SPACE, TARGET_UNWRITABLE
   */
  receive?(path: string, size: number): Promise<boolean>
  answer(answer: Answer): void
}
