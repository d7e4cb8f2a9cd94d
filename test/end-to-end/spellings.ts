/** How the fixture's files spell their prefix. */
const SPELLINGS: ((prefix: string) => Buffer)[] = [
  (prefix) => Buffer.from(prefix),
  (prefix) => Buffer.from(prefix, 'utf16le'),
  (prefix) => Buffer.from(prefix.replaceAll('/', '\\/')),
]

/** Replaces every `from` by `to`, in each spelling. */
export function replacePrefix(content: Buffer, from: string, to: string): Buffer {
  return SPELLINGS.reduce((data, spell) => replaceAll(data, spell(from), spell(to)), content)
}

/** Whether `content` holds `prefix` itself: `PREFIX2` and `PREFIX-old` are other paths, and so is `.PREFIX` (`./root/...`). */
export function holdsPrefix(content: Buffer, prefix: string): boolean {
  return SPELLINGS.some((spell) => {
    const bytes = spell(prefix)
    const width = spell('x').length
    return positions(content, bytes).some((at) => {
      const before = content.subarray(Math.max(0, at - width), at).toString('latin1')
      const after = content.subarray(at + bytes.length, at + bytes.length + width).toString('latin1')
      return !before.startsWith('.') && !/^[\w.-]/.test(after)
    })
  })
}

function replaceAll(content: Buffer, from: Buffer, to: Buffer): Buffer {
  const places = positions(content, from)
  if (places.length === 0) return content
  const pieces: Buffer[] = []
  let end = 0
  for (const place of places) {
    pieces.push(content.subarray(end, place), to)
    end = place + from.length
  }
  return Buffer.concat([...pieces, content.subarray(end)])
}

function positions(content: Buffer, wanted: Buffer): number[] {
  const places: number[] = []
  for (let at = content.indexOf(wanted); at >= 0; at = content.indexOf(wanted, at + wanted.length)) places.push(at)
  return places
}
