import { type BytePath, displayPath } from '../../model/byte-path.ts'

/** What is wrong with an archive, as the end of a sentence about it. Whoever has the archive's path makes a StageError of it. */
export class Malformed extends Error {
  /** @param member the member that is wrong; none if it is the archive itself */
  constructor(what: string, member?: BytePath) {
    super(member === undefined ? what : `its member ${displayPath(member)} ${what}`)
    this.name = 'Malformed'
  }
}
