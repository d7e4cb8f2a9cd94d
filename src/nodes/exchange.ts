import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { archiveFolders } from '../cache/index.ts'
import { StageError } from '../errors.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import type { Variables } from '../platform/job.ts'

/**
 * A folder on the shared file system through which head and nodes speak, for launchers that pass no standard streams. Only its
 * user can enter it.
 *
 * File servers remember names and attributes for seconds, but an `open` asks them anew (close-to-open). So the orders are one file that
 * grows, and answers are new files in a folder that the head alone lists.
 */
export const ORDERS = 'orders'
export const ANSWERS = 'answers'
/** A list of the nodes that are meant. */
export const NODES = 'nodes'
/** A folder for each node on which one of our processes is at work. */
export const CLAIMS = 'claims'
/** A folder for each machine on which one of our processes came up, and that is none of the nodes. */
export const STRANGERS = 'strangers'

/** @throws StageError NODES_FAILED */
export function makeExchange(nodes: readonly string[], env: Variables): string {
  const folder = `${archiveFolders({ env }).at(-1)}/.nodes-${randomBytes(12).toString('hex')}`
  try {
    for (const inner of ['', ANSWERS, CLAIMS, STRANGERS])
      mkdirSync(`${folder}/${inner}`, { recursive: inner === '', mode: 0o700 })
    writeFileSync(`${folder}/${NODES}`, JSON.stringify(nodes))
    writeFileSync(`${folder}/${ORDERS}`, '')
    return folder
  } catch (error) {
    throw unusable(folder, error)
  }
}

function unusable(folder: string, error: unknown): unknown {
  const errno = errnoOf(error)
  if (errno === undefined) return error
  return new StageError('NODES_FAILED', `The nodes can't be reached through ${folder}: ${meaningOf(errno)}`, {
    path: folder,
    hint: 'Set XDG_CACHE_HOME to a folder that all nodes see and in which you may write.',
    cause: error,
  })
}

/** The end of it means `undo` to each node that is still at work. */
export const removeExchange = (folder: string): void => rmSync(folder, { recursive: true, force: true })

/** @throws StageError NODES_FAILED; then the nodes take it that the head is gone */
export function giveOrder(folder: string, text: string): void {
  try {
    appendFileSync(`${folder}/${ORDERS}`, text)
  } catch (error) {
    rmSync(`${folder}/${ORDERS}`, { force: true })
    throw unusable(folder, error)
  }
}

/** Machines that answered, but are none of the nodes. */
export const strangersIn = (folder: string): string[] => readdirSync(`${folder}/${STRANGERS}`)

/** What has been answered since the last time, in the order of each node. */
export function takeAnswers(folder: string): { node: string; text: string }[] {
  return readdirSync(`${folder}/${ANSWERS}`)
    .sort()
    .map((name) => {
      const path = `${folder}/${ANSWERS}/${name}`
      const text = readFileSync(path, 'utf8')
      rmSync(path)
      return { node: name.slice(0, name.lastIndexOf('.')), text }
    })
}
