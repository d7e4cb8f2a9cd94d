import type { OnProgress } from '../model/progress.ts'
import { shortList } from './node-list.ts'
import type { Answer } from './protocol.ts'

type Note = Extract<Answer, { message: string }>

/** What nodes say beside their answers. A thousand nodes warn of the same in the same copy: that is told once. */
export class Notes {
  /** Nodes by warning. */
  readonly #warnings = new Map<string, string[]>()
  readonly #onProgress: OnProgress

  constructor(onProgress: OnProgress) {
    this.#onProgress = onProgress
  }

  /** Warnings wait for `tell`. */
  readonly take = (node: string, { kind, message }: Note): void => {
    if (kind !== 'warning') this.#onProgress({ kind, message: `${node}: ${message}` })
    else this.#warnings.set(message, [...(this.#warnings.get(message) ?? []), node])
  }

  /** @param total how many nodes there are */
  tell(total: number): void {
    for (const [message, nodes] of this.#warnings) {
      const some = nodes.length === 1 ? nodes[0]! : `${nodes.length} of ${total} nodes (${shortList(nodes)})`
      this.#onProgress({
        kind: 'warning',
        message: `${nodes.length === total && total > 1 ? `All ${total} nodes` : some}: ${message}`,
      })
    }
  }

  /** Tells of what goes on here, without warnings that nodes have given. */
  readonly others: OnProgress = (event) => {
    if (event.kind !== 'warning' || !this.#warnings.has(event.message)) this.#onProgress(event)
  }
}
