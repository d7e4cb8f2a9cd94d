/** Setuid and setgid: a copy of such a program would run as whoever staged it. */
const SET_ID = 0o6000
const SET_UID = 0o4000
const OTHERS_WRITE = 0o002
const ANY_WRITE = 0o222

/**
 * The permission bits of what is in a copy: the original's, without write bits in a read-only stage, and never with those by
 * which others could act as the user. A folder's setgid bit stays, since it only says which group new files belong to.
 */
export function stagedModes(readOnly: boolean): { file(mode: number): number; folder(mode: number): number } {
  const write = readOnly ? ANY_WRITE : OTHERS_WRITE
  return {
    file: (mode) => mode & ~(write | SET_ID),
    folder: (mode) => mode & ~(write | SET_UID),
  }
}
