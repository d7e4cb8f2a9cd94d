/** Tests run this in a process of its own. It packs 1.5 GB with 16 threads to argv[2], and prints its peak memory in KB. */
import { randomBytes } from 'node:crypto'
import { writeArchive } from '../../src/archive/writer.ts'
import type { ArchiveItem } from '../../src/model/item.ts'
import { directory, file, HEADER } from './support.ts'

const noise = randomBytes(65_536)

async function* zeros(size: number): AsyncGenerator<Buffer> {
  // A new buffer each time, as from a reader of files, with enough noise that there is something to write.
  for (let left = size; left > 0; left -= 1_000_000) {
    const chunk = Buffer.alloc(Math.min(left, 1_000_000))
    noise.copy(chunk)
    yield chunk
  }
}

async function* items(): AsyncGenerator<ArchiveItem> {
  yield directory('')
  const large = file('large', '', { size: 1e9 })
  yield { entry: large.entry, content: { chunks: zeros(1e9), facts: () => ({ digest: '00'.repeat(16) }) } }
  for (let at = 0; at < 1000; at++) {
    const { entry } = file(`file${at}`, '', { size: 500_000 })
    yield { entry, content: { chunks: zeros(500_000), facts: () => ({ digest: '00'.repeat(16) }) } }
  }
}

const { index } = await writeArchive({
  path: process.argv[2]!,
  format: 'tar.zst',
  level: 1,
  threads: 16,
  header: HEADER,
  items: items(),
})
const bytes = index.entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.size : 0), 0)
process.stdout.write(JSON.stringify({ bytes, maxRSS: process.resourceUsage().maxRSS }))
