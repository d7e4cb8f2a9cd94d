import { createHash } from 'node:crypto'

/** Tells names for files apart that would be the same otherwise: 12 hex digits. */
export const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)

/** Bytes of a SHA-256 that a digest keeps: enough to notice every accident, and half the size in the index. */
export const DIGEST_SIZE = 16
/** Hex digits of a digest. */
export const DIGEST_LENGTH = 2 * DIGEST_SIZE

/** @param sha256 of all bytes of a content, in hex */
export const digestFrom = (sha256: string): string => sha256.slice(0, DIGEST_LENGTH)
