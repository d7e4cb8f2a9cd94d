import { openSync } from 'node:fs'
import { decodeFrame, readIndex, readStored } from '../../src/archive/reader.ts'

import { peakMegabytes } from './peak-memory.ts'

/** Run as a process of its own: reads all of ARCHIVE, and says what came of it and how much memory it took. */
const path = process.argv[2]!
const outcome = await read().catch(({ name, code, message }) => ({ name, code, message }))
const megabytes = peakMegabytes()
process.stdout.write(JSON.stringify({ ...outcome, megabytes }))

async function read(): Promise<object> {
  const { format, frames } = await readIndex(path)
  const fd = openSync(path, 'r')
  for (const frame of frames) decodeFrame(await readStored(fd, { path }, frame), { path, format }, frame)
  return { code: 'READ' }
}
