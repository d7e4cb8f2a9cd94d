import type { BytePath } from '../model/byte-path.ts'
import type { Relocation } from '../model/relocation.ts'

/** Files that may hold the original prefix, because no program goes by them. */
const RECORDS = /^conda-meta\/|\.(dist|egg)-info\/|(^|\/)direct_url\.json$/
const DOCUMENTATION = /^(share\/(doc|man|info|gtk-doc)|man|docs?)\/|\.(md|rst|html?|1|3|5|7|8)$/

/** Why the original prefix does no harm in this file of a stage, or undefined if it may. */
export function whyHarmless(path: BytePath, found: Pick<Relocation, 'kind' | 'readable'>): string | undefined {
  const { kind, readable } = found
  if (kind === 'pyc') return 'compiled Python; import corrects its paths'
  if (RECORDS.test(path)) return 'a record; only installers read it'
  if (DOCUMENTATION.test(path)) return 'documentation'
  if (kind === 'container' && !readable) return 'compressed or checksummed; no byte of it may change'
  return undefined
}
