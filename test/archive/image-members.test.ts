import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ArchiveFile } from '../../src/archive/write/file.ts'
import { ImageMembers } from '../../src/archive/write/image-members.ts'
import { directory, workFolder } from './support.ts'

/** Ends where the tar ends, as mksquashfs does: whether more is in the pipe by then, depends on the sizes of all files. */
const endsEarly = (finish: () => Promise<void>) => ({
  write: async (data: Buffer) => {
    if (data.length > 0 && data.subarray(-512).every((byte) => byte === 0))
      throw new Error('it did not read to the end')
  },
  finish,
  settle: async () => {},
})

test('an image is made although its program stops reading at the first block of the end of the tar', async (t) => {
  const image = await ArchiveFile.create(join(await workFolder(t), 'image'))
  t.after(() => image.end(false))
  const made = new ImageMembers(
    image,
    endsEarly(async () => {}),
  )
  await made.add({ ...directory('').entry, type: 'directory' })
  assert.equal(await made.finish(), 0)
  const failing = endsEarly(() => Promise.reject(new Error('no room')))
  await assert.rejects(new ImageMembers(image, failing).finish(), { message: 'no room' })
})
