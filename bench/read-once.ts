/**
 * The least that any first stage must do: reads every file below a folder once, and does nothing with it.
 * `UV_THREADPOOL_SIZE=N read-once.ts FOLDER N`, with N requests in flight.
 */
import { open, readdir } from 'node:fs/promises'

const [folder = '.', inFlight = '64'] = process.argv.slice(2)

interface Found {
  path: string
  isFolder: boolean
}

const found: Found[] = [{ path: folder, isFolder: true }]
let busy = 0
await new Promise<void>((done, failed) => {
  const more = () => {
    while (busy < Number(inFlight) && found.length > 0) {
      busy++
      visit(found.pop()!).then(() => {
        busy--
        more()
      }, failed)
    }
    if (busy === 0) done()
  }
  more()
})

async function visit({ path, isFolder }: Found): Promise<void> {
  if (!isFolder) return await read(path)
  for (const entry of await readdir(path, { withFileTypes: true }))
    if (entry.isDirectory() || entry.isFile())
      found.push({ path: `${path}/${entry.name}`, isFolder: entry.isDirectory() })
}

async function read(path: string): Promise<void> {
  const file = await open(path)
  const buffer = Buffer.allocUnsafe(1 << 20)
  while ((await file.read(buffer)).bytesRead > 0);
  await file.close()
}
