import type { BytePath } from '../model/byte-path.ts'
import type { ContentKind } from '../model/relocation.ts'

/** Files in which the original prefix may stand since nothing that runs goes by it, and why. */
const RECORDS = /^conda-meta\/|\.(dist|egg)-info\/|(^|\/)direct_url\.json$/
const DOCUMENTATION = /^(share\/(doc|man|info|gtk-doc)|man|docs?)\/|\.(md|rst|html?|1|3|5|7|8)$/

/** Why the original prefix does no harm in this file of a stage, or undefined where it may. */
export function whyHarmless(path: BytePath, kind: ContentKind): string | undefined {
  if (kind === 'pyc') return 'compiled Python, whose paths are mended on import'
  if (kind === 'container') return 'compressed or checksummed, so that no byte of it may change'
  if (RECORDS.test(path)) return 'a record that only installers read'
  if (DOCUMENTATION.test(path)) return 'documentation'
  return undefined
}
