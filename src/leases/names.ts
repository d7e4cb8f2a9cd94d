/**
 * A name for a file that no other process has: 16 hexadecimal digits. It is no secret, because the folder is the user's alone.
 * Loading node:crypto for it would take 7 ms of a call that joins.
 */
export const uniqueName = (): string => digits() + digits()

const digits = (): string =>
  Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0')
