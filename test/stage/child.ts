import { open, readdir } from 'node:fs/promises'
import { readIndex } from '../../src/archive/reader.ts'
import { extract } from '../../src/stage/extract.ts'
import { withNewPlace } from '../../src/stage/place.ts'

/**
 * Run as a process of its own: stages ARCHIVE below LOCAL up to the point where only the marker is missing, says what
 * came of it and what is in LOCAL then. With `hang` it never gets further, as if it were still at work.
 */
const [archive, local, then] = process.argv.slice(2) as [string, string, string | undefined]
const handle = await open(archive)
const index = await readIndex(archive, handle)
const place = { local: { path: local, real: local, source: '', created: false, skipped: [] }, name: 'env', length: 100 }
const outcome = await withNewPlace({ ...place, uid: process.getuid!() }, async ({ prefix }) => {
  await extract({ archive, fd: handle.fd, index, prefix, readOnly: true, threads: 2 })
  if (then === 'hang') await new Promise((resolve) => setTimeout(resolve, 60_000))
  return 'done'
}).catch(({ name, code, message }) => ({ name, code, message }))
await handle.close()
process.stdout.write(JSON.stringify({ outcome, left: await readdir(local) }))
