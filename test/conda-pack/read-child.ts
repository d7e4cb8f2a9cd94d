import { peakMegabytes } from '../archive/peak-memory.ts'
import { readCondaPack } from './hand-made.ts'

/** Run as a process of its own: reads all of ARCHIVE, and says what came of it and how much memory it took. */
const outcome = await readCondaPack(process.argv[2]!, { keep: false }).then(
  (found) => ({ code: 'READ', members: found.size }),
  ({ code, message }) => ({ code, message }),
)
const megabytes = peakMegabytes()
process.stdout.write(JSON.stringify({ ...outcome, megabytes }))
