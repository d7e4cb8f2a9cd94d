import { displayPath } from '../../model/byte-path.ts'
import type { Finding } from '../../stage/verify.ts'

/** One line for a finding of --verify: whether it matters, which file, and what is wrong. */
export const findingLine = ({ path, why, harmless }: Finding): string =>
  `${harmless ? 'harmless' : 'MATTERS '}  ${displayPath(path) || '.'}: ${why}`
