import { join } from 'node:path'
import { drain, IN_FLIGHT } from '../platform/in-flight.ts'
import { readSmall } from '../platform/read-small.ts'
import { readdir } from '../platform/remote-fs.ts'

/** tensorflow's has 2.3 MB for 20,000 files. */
const MOST_BYTES = 64 * 1024 * 1024

/**
 * The sizes of the files that pip or uv have installed into a virtual environment, by their lists (`RECORD`, of the specification
 * "Recording installed projects"). What is in no list, byte code above all, is missing.
 */
export async function installedSizes(prefix: string): Promise<number[]> {
  const list = (folder: string) => readdir(folder).catch(() => [])
  const libraries = (await list(join(prefix, 'lib'))).map((name) => join(prefix, 'lib', name, 'site-packages'))
  const sizes: number[] = []
  for (const folder of libraries) {
    const records = (await list(folder)).filter((name) => name.endsWith('.dist-info'))
    await drain(records, IN_FLIGHT, async (name) => {
      const text = await readSmall(join(folder, name, 'RECORD'), MOST_BYTES).then(String, () => '')
      // path,digest,size: the first may be quoted and hold commas. Of itself a RECORD knows no size.
      for (const [, size] of text.matchAll(/,(\d*)\r?$/gm)) sizes.push(Number(size))
    })
  }
  return sizes
}
