/**
 * Bare reading, the least that any first stage must do: opens, reads and closes every file below a folder, depth first, and does
 * nothing with it. Callbacks, since promises cost more than the reading.
 * `UV_THREADPOOL_SIZE=N read-once.ts FOLDER N`, with N requests in flight.
 */
import { close, open, read, readdir } from 'node:fs'

const [folder = '.', inFlight = '128'] = process.argv.slice(2)

interface Found {
  path: string
  isFolder: boolean
}

const found: Found[] = [{ path: folder, isFolder: true }]
const buffers: Buffer[] = []
let busy = 0

function more(): void {
  while (busy < Number(inFlight) && found.length > 0) {
    busy++
    const { path, isFolder } = found.pop()!
    if (isFolder) list(path)
    else openAndRead(path)
  }
}

function done(): void {
  busy--
  more()
}

function list(path: string): void {
  readdir(path, { withFileTypes: true }, (error, entries) => {
    if (error) throw error
    for (const entry of entries)
      if (entry.isDirectory() || entry.isFile())
        found.push({ path: `${path}/${entry.name}`, isFolder: entry.isDirectory() })
    done()
  })
}

function openAndRead(path: string): void {
  open(path, (error, fd) => {
    if (error) throw error
    const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(1 << 20)
    const next = () =>
      read(fd, buffer, 0, buffer.length, null, (failed, length) => {
        if (failed) throw failed
        // A short read is a file's last: asking once more would cost a request.
        if (length === buffer.length) return next()
        buffers.push(buffer)
        close(fd, (unclosed) => {
          if (unclosed) throw unclosed
          done()
        })
      })
    next()
  })
}

more()
