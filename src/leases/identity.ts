import * as v from 'valibot'

/** A ProcessIdentity, as it is kept in files. */
export const Identity = v.object({
  host: v.string(),
  boot: v.string(),
  pidNamespace: v.string(),
  pid: v.number(),
  started: v.string(),
})
