/**
 * Published advisories about programs that unpack tars and zips, each with a small archive that does what it describes. It is
 * refused by the member's name, or it is staged and nothing outside of the copy has changed.
 */
import assert from 'node:assert/strict'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { readIndex } from '../../src/archive/reader.ts'
import { writeArchive } from '../../src/archive/writer.ts'
import { condaPackItems, openCondaPack } from '../../src/conda-pack/foreign/conda-pack-archive.ts'
import { StageError } from '../../src/errors.ts'
import { extract } from '../../src/stage/extract.ts'
import { extended, paxRecord, type TarMember, tar, tarMember } from '../archive/hand-made-tar.ts'
import { type ZipMember, zip } from '../archive/hand-made-zip.ts'
import { listing } from '../archive/support.ts'
import { newPrefix } from '../stage/small-archive.ts'
import { condaPackMembers, condaPackTar, condaPackZip, folderOf, zipMembers } from './hand-made.ts'

/** Where a test takes place. */
interface Scene {
  folder: string
  /** A folder that no copy is made in. It holds `victim`, and its name does not lead there from a copy. */
  outside: string
  archive: string
}

function sceneOf(context: TestContext): Scene {
  const folder = folderOf(context)
  const outside = `${folder}/outside`
  mkdirSync(`${outside}/conda-meta`, { recursive: true, mode: 0o711 })
  writeFileSync(`${outside}/victim`, 'mine', { mode: 0o640 })
  mkdirSync(`${folder}/local`)
  return { folder, outside, archive: `${folder}/theirs` }
}

/** Stages the archive as a user's call does: it is converted, read again and extracted. Returns the copy's prefix. */
async function stage({ folder, archive }: Scene, between = () => {}): Promise<string> {
  const prefixes = ['/envs/mine']
  const handle = await open(archive, 'r')
  const ours = `${folder}/ours.tar.zst`
  try {
    const opened = await openCondaPack(archive, handle)
    between()
    const items = condaPackItems(opened, handle, { prefixes, mtimeNs: 0n, beside: ours, onNoRoom: () => {} })
    const header = { name: 'mine', prefixes, generator: 'test', platform: 'test', created: '' }
    rmSync(ours, { force: true })
    await writeArchive({ path: ours, format: 'tar.zst', threads: 1, header, items })
  } finally {
    await handle.close()
  }
  const converted = await open(ours, 'r')
  try {
    const index = await readIndex(ours, converted)
    const prefix = newPrefix(`${folder}/local`, 120)
    await extract({ archive: ours, fd: converted.fd, index, prefix, readOnly: true, threads: 1 })
    return prefix
  } finally {
    await converted.close()
  }
}

interface Advisory {
  does: string
  /** Bytes of an archive. */
  archive(outside: string): Buffer
  /** What the refusal names; none if the archive is harmless here and is staged. */
  refused?: string
  /** Looks at the copy. */
  copy?(prefix: string, outside: string): void
}

const link = (name: string, target: string): TarMember => ({ name, type: '2', link: target })
const hard = (name: string, target: string): TarMember => ({ name, type: '1', link: target })
const folder = (name: string, mode = 0o755): TarMember => ({ name: `${name}/`, type: '5', mode })
const file = (name: string): TarMember => ({ name, content: 'evil' })
const with_ = (...members: TarMember[]) => condaPackTar(...members)
const zipLink = (name: string, target: string): ZipMember => ({ name, content: target, mode: 0o120777 })

const isFile =
  (path: string, content = 'evil') =>
  (prefix: string) => {
    assert.ok(lstatSync(`${prefix}/${path}`).isFile())
    assert.equal(readFileSync(`${prefix}/${path}`, 'utf8'), content)
  }
const isLink = (path: string, target?: string) => (prefix: string, outside: string) =>
  assert.equal(readlinkSync(`${prefix}/${path}`), target ?? outside)

/** A name of so many bytes, as in attacks on PATH_MAX. */
const long = (length: number, sign = 'd') => sign.repeat(length)

const ADVISORIES: Record<string, Advisory> = {
  // Paths.
  'CVE-2007-4559 (Python)': {
    does: 'a member whose path leads out by ..',
    archive: () => with_(file('../../outside/new')),
    refused: '../../outside/new leads out',
  },
  'CVE-2001-1267 (GNU tar)': {
    does: 'a member whose path leads out by .. behind a folder',
    archive: () => with_(file('lib/../../outside/new')),
    refused: 'lib/../../outside/new leads out',
  },
  'CVE-2016-6321 (GNU tar)': {
    does: 'a member whose path has a safe beginning that a tool would cut off at the last ..',
    archive: (outside) => with_(file(`lib/../${outside}/victim`)),
    refused: '/outside/victim leads out',
  },
  'CVE-2002-0399 (GNU tar)': {
    does: 'a member whose path has .. only after ./',
    archive: () => with_(file('./../outside/new')),
    refused: './../outside/new leads out',
  },
  'CVE-2015-2304 (libarchive)': {
    does: 'a member with an absolute path',
    archive: (outside) => with_(file(`${outside}/new`)),
    refused: '/outside/new leads out',
  },
  'CVE-2021-32804 (node-tar)': {
    does: 'a member whose path is absolute even without its first slashes',
    archive: (outside) => with_(file(`//${outside}/new`)),
    refused: '/outside/new leads out',
  },
  'CVE-2021-37713 (node-tar)': {
    does: 'a member whose path leads out on Windows alone',
    archive: () => with_({ ...file('x'), pax: { path: 'C:../outside/new' } }),
    copy: isFile('C:../outside/new'),
  },
  'CVE-2024-28863 (node-tar)': {
    does: 'a member below more folders than any path can have',
    archive: () => with_({ ...file('x'), pax: { path: `${'a/'.repeat(30_000)}x` } }),
    refused: 'has a path of 60001 bytes',
  },
  'CVE-2018-1002200 (zip slip)': {
    does: 'a member of a zip whose path leads out by ..',
    archive: () => condaPackZip({ name: '../../outside/new', content: 'evil' }),
    refused: '../../outside/new leads out',
  },
  'CVE-2018-1002204 (adm-zip)': {
    does: 'a member of a zip with an absolute path',
    archive: (outside) => condaPackZip({ name: `${outside}/new`, content: 'evil' }),
    refused: '/outside/new leads out',
  },
  'CVE-2018-1002203 (unzipper)': {
    does: 'a member of a zip whose path leads out by .. and backslashes, on Windows alone',
    archive: () => condaPackZip({ name: 'lib/..\\..\\new', content: 'evil' }),
    copy: isFile('lib/..\\..\\new'),
  },
  'CVE-2022-48285 (JSZip)': {
    does: 'a folder of a zip whose path leads out',
    archive: () => condaPackZip({ name: '../outside/' }),
    refused: '../outside/ leads out',
  },

  // Files through symbolic links.
  'CVE-2015-8860 (node-tar)': {
    does: 'a symbolic link that leads out, and a file below it',
    archive: (outside) => with_(link('lib/x', outside), file('lib/x/new')),
    refused: 'lib/x/new stands below lib/x, a symlink',
  },
  'CVE-2021-32803 (node-tar)': {
    does: 'a folder, a symbolic link of the same name that leads out, and a file below it',
    archive: (outside) => with_(folder('lib/x'), link('lib/x', outside), file('lib/x/new')),
    refused: 'lib/x is there twice, as a directory and as a symlink',
  },
  'CVE-2021-37701 (node-tar)': {
    does: 'a folder and a symbolic link whose names differ in a backslash, and a file below the folder',
    archive: (outside) => with_(folder('lib/x'), link('lib\\x', outside), file('lib/x/new')),
    copy: isFile('lib/x/new'),
  },
  'CVE-2021-37712 (node-tar)': {
    does: 'a folder and a symbolic link whose names are the same letters in Unicode, and a file below the folder',
    archive: (outside) =>
      with_(folder('lib/caf\xc3\xa9'), link('lib/cafe\xcc\x81', outside), file('lib/caf\xc3\xa9/new')),
    copy: isFile('lib/café/new'),
  },
  'CVE-2026-23950 (node-tar)': {
    does: 'a symbolic link and a file whose names are the same on some disks (ss and ß)',
    archive: (outside) => with_(link('lib/collision_ss', `${outside}/victim`), file('lib/collision_\xc3\x9f')),
    copy: isFile('lib/collision_ß'),
  },
  'CVE-2018-12015 (Archive::Tar)': {
    does: 'a symbolic link to a file outside, and a file of the same name',
    archive: (outside) => with_(link('lib/x', `${outside}/victim`), file('lib/x')),
    refused: 'lib/x is there twice, as a symlink and as a file',
  },
  'CVE-2021-38511 (tar-rs)': {
    does: 'a symbolic link that leads out, and a folder to be made below it',
    archive: (outside) => with_(link('lib/x', outside), folder('lib/x/new/folder')),
    refused: 'lib/x/new/folder stands below lib/x, a symlink',
  },
  'CVE-2024-12905 (tar-fs)': {
    does: 'a symbolic link to a folder above, and a file below it',
    archive: () => with_(link('lib/x', '../../../..'), file('lib/x/outside/new')),
    refused: 'lib/x/outside/new stands below lib/x, a symlink',
  },
  'CVE-2025-59343 (tar-fs)': {
    does: 'a symbolic link to a folder whose path begins like the one for the copy',
    archive: (outside) => with_(link('lib/x', `${outside}-evil`), file('lib/x/new')),
    refused: 'lib/x/new stands below lib/x, a symlink',
  },
  'CVE-2025-4330 (Python)': {
    does: 'a symbolic link through another one, which leads out only when both are there, and a file below',
    archive: () => with_(folder('a'), link('a/b', '.'), link('a/c', 'b/../../../..'), file('a/c/new')),
    refused: 'a/c/new stands below a/c, a symlink',
  },
  'CVE-2025-4138 (Python)': {
    does: 'a symbolic link with a slash at the end of its name, and a file below it',
    archive: (outside) => with_({ ...link('lib/x/', outside) }, file('lib/x/new')),
    refused: 'lib/x/ has the name of a folder',
  },
  'CVE-2025-4517 (Python)': {
    does: 'symbolic links through folders of 247 letters, whose path is too long to be resolved, and a file below the last',
    archive: () => {
      const members: TarMember[] = []
      let [short, whole] = ['', '']
      for (const letter of 'abcdefghijklmnop') {
        members.push({ name: 'x/', type: '5', pax: { path: `${whole}${long(247)}/` } })
        members.push({ ...link('x', 'x'), pax: { path: `${whole}${letter}`, linkpath: long(247) } })
        whole += `${long(247)}/`
        short += `${letter}/`
      }
      members.push({ ...link('x', 'x'), pax: { path: `${short}${long(254, 'l')}`, linkpath: '../'.repeat(16) } })
      members.push({ ...link('x', 'x'), pax: { path: 'escape', linkpath: `${short}${long(254, 'l')}/../outside` } })
      members.push(file('escape/new'))
      return with_(...members)
    },
    refused: 'stands below a, a symlink',
  },
  'CVE-2025-59825 (astral-tokio-tar)': {
    does: 'a symbolic link to a folder above, and another one below it',
    archive: () => with_(link('lib/x', '..'), link('lib/x/y', '../..')),
    refused: 'lib/x/y stands below lib/x, a symlink',
  },
  'CVE-2025-4435 (Python)': {
    does: 'a member that must be refused before others that are harmless',
    archive: (outside) => with_(file(`${outside}/new`), file('lib/harmless')),
    refused: '/outside/new leads out',
  },
  'CVE-2020-12265 (decompress)': {
    does: 'a symbolic link of a zip that leads out, and a file below it',
    archive: (outside) => condaPackZip(zipLink('lib/x', outside), { name: 'lib/x/new', content: 'evil' }),
    refused: 'lib/x/new stands below lib/x, a symlink',
  },
  'CVE-2026-56876 (extract-zip)': {
    does: 'a symbolic link of a zip that leads out by ..',
    archive: () => condaPackZip(zipLink('lib/x', '../../../../outside')),
    copy: isLink('lib/x', '/outside'),
  },
  'CVE-2026-42496 (Archive::Tar)': {
    does: 'a symbolic link that leads out',
    archive: (outside) => with_(link('lib/x', outside)),
    copy: isLink('lib/x'),
  },
  'CVE-2026-31802 (node-tar)': {
    does: 'a symbolic link that leads out on Windows alone',
    archive: () => with_(link('lib/x', 'C:../outside')),
    copy: isLink('lib/x', 'C:../outside'),
  },

  // Modes and times through symbolic links.
  'CVE-2024-12718 (Python)': {
    does: 'a symbolic link to a folder above, and a folder of the same name with a mode and a time',
    archive: () => with_(link('x', '..'), folder('x/.', 0o777)),
    refused: 'x/./ has an empty part',
  },
  'CVE-2026-33056 (tar-rs)': {
    does: 'a symbolic link to a folder outside, and a folder of the same name with another mode',
    archive: (outside) => with_(link('lib/x', outside), folder('lib/x', 0o777)),
    refused: 'lib/x is there twice, as a symlink and as a directory',
  },
  'CVE-2021-23177 (libarchive)': {
    does: 'a symbolic link to a file outside, with a mode of its own',
    archive: (outside) => with_({ ...link('lib/x', `${outside}/victim`), mode: 0o6777 }),
    copy: (prefix, outside) => isLink('lib/x', `${outside}/victim`)(prefix, outside),
  },
  'CVE-2021-31566 (libarchive)': {
    does: 'a symbolic link to a folder outside, with a time of its own',
    archive: (outside) => with_({ ...link('lib/x', outside), seconds: 1 }),
    copy: isLink('lib/x'),
  },

  // Hard links.
  'CVE-2018-20834 (node-tar)': {
    does: 'a hard link to a file outside, and a file of the same name',
    archive: (outside) => with_(hard('lib/x', `${outside}/victim`), file('lib/x')),
    refused: 'lib/x is a hard link to what leads out',
  },
  'CVE-2018-20835 (tar-fs)': {
    does: 'a hard link to a file that is no member, and a file of the same name',
    archive: () => with_(hard('lib/y', 'lib/x'), file('lib/y')),
    refused: 'lib/y is there twice, as a hardlink and as a file',
  },
  'CVE-2018-20990 (tar-rs)': {
    does: 'a hard link to a file of the archive, and a file of the same name',
    archive: () => with_(hard('lib/x', 'bin/tool'), file('lib/x')),
    refused: 'lib/x is there twice, as a hardlink and as a file',
  },
  'CVE-2025-48387 (tar-fs)': {
    does: 'a hard link to what stands below a symbolic link that leads out',
    archive: (outside) => with_(link('lib/x', outside), hard('lib/y', 'lib/x/victim')),
    refused: 'lib/y is a hard link to lib/x/victim, which is not there',
  },
  'CVE-2026-23745 (node-tar)': {
    does: 'a hard link with an absolute target',
    archive: (outside) => with_(hard('lib/x', `${outside}/victim`)),
    refused: 'lib/x is a hard link to what leads out',
  },
  'CVE-2026-23745 (node-tar), its other half': {
    does: 'a symbolic link with an absolute target',
    archive: (outside) => with_(link('lib/x', `${outside}/victim`)),
    copy: (prefix, outside) => isLink('lib/x', `${outside}/victim`)(prefix, outside),
  },
  'CVE-2026-24842 (node-tar)': {
    does: "a hard link whose target leads out of the archive, but not of the link's own folder",
    archive: () => with_(hard('a/b/c/d/x', '../../../../outside/victim')),
    refused: 'a/b/c/d/x is a hard link to what leads out',
  },
  'CVE-2026-26960 (node-tar)': {
    does: 'a hard link through a chain of symbolic links, each of which stays inside',
    archive: () =>
      with_(
        folder('a/b/c'),
        link('a/b/c/up', '../..'),
        link('a/b/escape', 'c/up/../..'),
        hard('x', 'a/b/escape/outside/victim'),
      ),
    refused: 'x is a hard link to a/b/escape/outside/victim, which is not there',
  },
  'CVE-2026-29786 (node-tar)': {
    does: 'a hard link whose target leads out on Windows alone',
    archive: () => with_(hard('lib/x', 'C:../outside/victim')),
    refused: 'lib/x is a hard link to C:../outside/victim, which is not there',
  },
  'CVE-2026-42497 (Archive::Tar)': {
    does: 'a hard link to a file outside, with a mode and a time for it',
    archive: () => with_({ ...hard('lib/x', '../../outside/victim'), mode: 0o6777, seconds: 1 }),
    refused: 'lib/x is a hard link to what leads out',
  },
  'CVE-2016-5418 (libarchive)': {
    does: 'a hard link with content to a symbolic link that leads out',
    archive: (outside) => with_(link('lib/x', `${outside}/victim`), { ...hard('lib/y', 'lib/x'), content: 'evil' }),
    copy: isFile('lib/y'),
  },

  // Archives that two programs read in two ways.
  'CVE-2025-62518 (tokio-tar, "TARmageddon")': {
    does: 'an archive as a file whose header says that it has no content, while its pax header says how much',
    archive: () => {
      const inner = tarMember(file('lib/new'))
      return with_({ name: 'lib/inner.tar', content: inner, size: 0, pax: { size: String(inner.length) } })
    },
    copy(prefix) {
      assert.equal(lstatSync(`${prefix}/lib/inner.tar`).size, 1024)
      assert.deepEqual(readdirSync(`${prefix}/lib`), ['inner.tar'])
    },
  },
  'CVE-2025-62518 (tokio-tar), the other way round': {
    does: 'an archive as a file whose pax header says that it has no content, while its header says how much',
    archive: () => with_({ name: 'lib/inner.tar', content: tarMember(file('lib/new')), pax: { size: '0' } }),
    refused: 'lib/inner.tar has two sizes',
  },
  'CVE-2026-33055 (tar-rs)': {
    does: 'a file with two sizes, neither of which is 0',
    archive: () => with_({ name: 'lib/x', content: 'x'.repeat(1024), pax: { size: '512' } }),
    refused: 'lib/x has two sizes',
  },
  'GHSA-3cv2-h65g-fgmm (astral-tokio-tar)': {
    does: "a pax header in front of GNU's long name, whose size might count for either",
    archive: () =>
      Buffer.concat([
        ...condaPackMembers().map(tarMember),
        extended('x', paxRecord(['size', '2048'])),
        extended('L', 'lib/long\0'),
        tar(file('lib/a'), file('lib/b')),
      ]),
    refused: 'is extended twice',
  },
  'Advisory of astral-tokio-tar before 0.6.0': {
    does: 'a pax header that is none, which some programs pass over',
    archive: () => Buffer.concat([...condaPackMembers().map(tarMember), extended('x', 'rubbish'), tar(file('lib/x'))]),
    refused: 'a malformed pax header',
  },
  'CVE-2025-13462 (Python)': {
    does: 'a file of the oldest type behind a long name, whose short name ends like a folder',
    archive: () => with_({ name: 'garbage/', type: '\0', content: 'evil', gnu: { L: `lib/${long(120)}` } }),
    copy: isFile(`lib/${long(120)}`),
  },
  'CVE-2025-54368 (uv)': {
    does: 'a zip whose members have other names in front of their data than in the directory',
    archive: () => condaPackZip({ name: 'lib/x', content: 'evil', localName: 'lib/y' }),
    refused: 'lib/x has two headers that differ',
  },
  'CVE-2025-8291 (Python)': {
    does: 'a zip with a locator of zip64 that leads to another directory',
    archive: () => {
      const locator = Buffer.alloc(20)
      locator.writeUInt32LE(0x07064b50, 0)
      const record = Buffer.alloc(56)
      record.writeUInt32LE(0x06064b50, 0)
      locator.writeBigUInt64LE(4n, 8)
      return zip(zipMembers(), { beforeEnd: Buffer.concat([record, locator]) })
    },
    refused: 'it is not a complete zip',
  },
  'CVE-2024-24789 (Go)': {
    does: 'a zip whose last record is followed by less than it says',
    archive: () => zip(zipMembers(), { comment: 'a comment' }).subarray(0, -1),
    refused: 'it is not a complete zip',
  },

  // Types that no environment has.
  'CVE-2006-6097 (GNU tar)': {
    does: "a member of GNU's old type for names, by which links can be made",
    archive: (outside) => with_({ name: 'lib/x', type: 'N', content: `Symlink ${outside} to lib/x\n` }),
    refused: 'lib/x is of the unknown type "N"',
  },
  'CVE-2019-9923 (GNU tar)': {
    does: 'a sparse file whose map in the pax header is none',
    archive: () => with_({ ...file('lib/x'), pax: { 'GNU.sparse.map': 'x', 'GNU.sparse.numblocks': '1' } }),
    refused: 'lib/x is a sparse file',
  },
  'CVE-2025-58183 (Go)': {
    does: 'a sparse file with a billion regions in its pax header',
    archive: () =>
      with_({ ...file('lib/x'), pax: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'y' } }),
    refused: 'lib/x is a sparse file',
  },
  'CVE-2026-32288 (Go)': {
    does: "a sparse file of GNU's old type with regions without end",
    archive: () => with_({ ...file('lib/x'), type: 'S' }),
    refused: 'lib/x is a sparse file',
  },
  'CVE-2005-2541 (GNU tar)': {
    does: 'a program with setuid and setgid bits',
    archive: () => with_({ ...file('bin/root'), mode: 0o6755 }),
    copy: (prefix) => assert.equal(lstatSync(`${prefix}/bin/root`).mode & 0o7777, 0o555),
  },

  // Time and memory.
  'CVE-2019-20907 (Python)': {
    does: 'a pax record with a length of 0, which never ends',
    archive: () =>
      Buffer.concat([...condaPackMembers().map(tarMember), extended('x', '0 path=x\n'), tar(file('lib/x'))]),
    refused: 'a malformed pax header',
  },
  'CVE-2025-8194 (Python)': {
    does: 'a member of negative size, behind which the same member comes again',
    archive: () => with_({ name: 'lib/x', forge: (header) => void header.fill(0xff, 124, 136) }),
    refused: 'lib/x has a size of -1 bytes',
  },
  'CVE-2024-6232 (Python)': {
    does: 'a pax record whose length is a thousand digits',
    archive: () =>
      Buffer.concat([
        ...condaPackMembers().map(tarMember),
        extended('x', `${'1'.repeat(1000)} path=x\n`),
        tar(file('x')),
      ]),
    refused: 'a malformed pax header',
  },
  'CVE-2022-2879 (Go)': {
    does: 'a pax header of a gigabyte',
    archive: () => with_({ name: 'lib/x', type: 'x', size: 2 ** 30 }),
    refused: 'lib/x has an extended header of 1073741824 bytes',
  },
  'CVE-2023-39804 (GNU tar)': {
    does: 'a pax header whose keyword is nearly a megabyte',
    archive: () => with_({ ...file('lib/x'), pax: { [`SCHILY.xattr.${'x'.repeat(900_000)}`]: 'x' } }),
    copy: isFile('lib/x'),
  },
  'CVE-2022-48303 (GNU tar)': {
    does: 'a time of blanks alone, beyond which a tool reads on',
    archive: () => with_({ ...file('lib/x'), forge: (header) => void header.fill(' ', 136, 148) }),
    copy: isFile('lib/x'),
  },
  'CVE-2019-13232 (UnZip)': {
    does: 'a zip bomb whose members overlap',
    archive: () =>
      condaPackZip({ name: 'lib/a', content: 'evil' }, { name: 'lib/a', content: 'evil', offset: 'lib/a' }),
    refused: 'two of its members overlap',
  },
  'CVE-2024-0450 (Python)': {
    does: 'a zip bomb whose members are quoted by those in front of them',
    archive: () => {
      const quoted = zip([{ name: 'lib/b', content: 'evil' }])
      const inner = quoted.subarray(0, 30 + 'lib/b'.length + 4)
      return condaPackZip(
        { name: 'lib/a', content: inner },
        { name: 'lib/b', content: 'evil', offset: 'lib/a', shift: 35 },
      )
    },
    refused: 'two of its members overlap',
  },
  'CVE-2019-9674 (Python)': {
    does: 'a zip of a kilobyte that says it unpacks to 20 gigabytes',
    archive: () =>
      condaPackZip(
        ...Array.from({ length: 5 }, (_, n) => ({ name: `lib/${n}`, content: 'x', deflate: true, size: 2 ** 32 - 2 })),
      ),
    refused: 'lib/3 brings it to 17179869321 bytes',
  },
  'CVE-2021-33196 (Go)': {
    does: 'a zip that says it has 65,534 members',
    archive: () => zip(zipMembers(), { count: 65_534 }),
    refused: 'it is not a complete zip',
  },
}

for (const [id, { does, archive, refused, copy }] of Object.entries(ADVISORIES)) {
  test(`${id}: ${does} ${refused ? 'is refused by its name' : 'does no harm, and is staged'}`, async (context) => {
    const scene = sceneOf(context)
    writeFileSync(scene.archive, archive(scene.outside))
    const before = await listing(scene.outside)
    if (refused === undefined) copy?.(await stage(scene), scene.outside)
    else
      await assert.rejects(stage(scene), (error) => {
        assert.ok(error instanceof StageError, String(error))
        assert.equal(error.code, 'ARCHIVE_DAMAGED')
        assert.ok(error.message.includes(scene.archive) && error.message.includes(refused), error.message)
        return true
      })
    assert.deepEqual(await listing(scene.outside), before)
    const left = (await listing(scene.folder)).map((line) => line.split(' ')[0]!)
    assert.ok(!left.some((path) => path.includes('new') && !path.startsWith('"local/')), left.join('\n'))
  })
}

test('CVE-2025-45582 (GNU tar): a link that one archive leaves is no way out for the next one, since each copy has a folder of its own', async (context) => {
  const scene = sceneOf(context)
  writeFileSync(scene.archive, with_(link('lib/x', scene.outside)))
  const before = await listing(scene.outside)
  const first = await stage(scene)
  writeFileSync(scene.archive, with_(file('lib/x/new')))
  const second = await stage(scene)
  assert.notEqual(first, second)
  isFile('lib/x/new')(second)
  assert.deepEqual(await listing(scene.outside), before)
})

test('CVE-2026-40931 (compressing): a link that somebody put where the copy is to be made stops it, and nothing is written through it', async (context) => {
  const scene = sceneOf(context)
  writeFileSync(scene.archive, with_(file('lib/x')))
  const before = await listing(scene.outside)
  const prefix = await stage(scene)
  const ours = `${scene.folder}/ours.tar.zst`
  const handle = await open(ours, 'r')
  context.after(() => handle.close())
  const index = await readIndex(ours, handle)
  const other = newPrefix(`${scene.folder}/local`, 120)
  symlinkSync(scene.outside, `${other.slice(0, other.lastIndexOf('/'))}/.extracting`)
  const options = { archive: ours, fd: handle.fd, index, prefix: other, readOnly: true, threads: 1 }
  await assert.rejects(extract(options), { code: 'TARGET_UNWRITABLE' })
  assert.deepEqual(await listing(scene.outside), before)
  assert.ok(lstatSync(prefix).isDirectory())
})

test('CVE-2025-64118 (node-tar): an archive that is cut while it is read is refused, and nothing of it is staged', async (context) => {
  const scene = sceneOf(context)
  writeFileSync(scene.archive, gzipSync(with_(file('lib/x'))))
  await assert.rejects(
    stage(scene, () => truncateSync(scene.archive, 300)),
    { code: 'ARCHIVE_DAMAGED' },
  )
})
