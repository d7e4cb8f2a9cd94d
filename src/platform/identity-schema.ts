import * as v from 'valibot'

/** A ProcessIdentity, as it is kept in files. Apart from that type, because few calls read one. */
export const Identity = v.object({
  host: v.string(),
  boot: v.string(),
  pidNamespace: v.string(),
  pid: v.number(),
  started: v.string(),
})
