/**
 * libuv starts the threads for files with their first work, all of them, and can't add to them later. 128 take 5 ms to start and 5 to
 * end, and a call that joins a copy needs few: so most calls begin with few, and those that have to pack begin again with many.
 */

/** Thrown to begin again. Nothing was made by then that stays. */
export class FewThreads extends Error {
  constructor() {
    super('too few threads for files to read an environment with')
    this.name = 'FewThreads'
  }
}

let isFew = false

/** Says that this process can begin again with more threads, or no longer can. */
export function setFewThreads(few: boolean): void {
  isFew = few
}

/** @throws FewThreads */
export function needManyThreads(): void {
  if (isFew) throw new FewThreads()
}
