import { mkdir } from 'node:fs/promises'
import { basename } from 'node:path'
import type { ImageMaker } from '../archive/write/image-members.ts'
import { StageError } from '../errors.ts'
import { findProgram } from '../platform/find-program.ts'
import type { Variables } from '../platform/job.ts'
import { surroundings } from '../platform/surroundings.ts'
import { makeOwnFolder, type Place, placeFor } from '../stage/place.ts'
import { removeTree } from '../stage/remove-tree.ts'
import { feed, run, saidBy } from './program.ts'

export interface MakerOptions {
  env: Variables
  /** Prefixes of environments whose own programs are not taken. */
  without: readonly string[]
  /** zstd 1 to 19. A program without zstd takes gzip's own level. */
  level: number
  threads: number
  /** A folder on local disk with room for the whole environment. Only an old mksquashfs needs it. */
  localFolder(): Promise<string>
  signal?: AbortSignal | undefined
}

/**
 * Finds a program that makes images of a tar stream: `mksquashfs` of squashfs-tools, which is the quicker one, or `tar2sqfs` of
 * squashfs-tools-ng. A mksquashfs before 4.5 (RHEL 8 and 9) can't read a tar, and gets an unpacked copy.
 * (https://github.com/plougher/squashfs-tools, https://github.com/AgentD/squashfs-tools-ng)
 * @throws StageError NO_PROGRAM
 */
export async function imageMaker(options: MakerOptions): Promise<(path: string) => ImageMaker> {
  const { env, without, signal } = options
  const search = { env, variable: 'CONDA_STAGE_MKSQUASHFS', without }
  const found = await findProgram(['mksquashfs', 'tar2sqfs'], search)
  if (found === undefined) {
    throw new StageError(
      'NO_PROGRAM',
      'Neither mksquashfs nor tar2sqfs is here, and making an image needs one of them',
      {
        hint: 'Install the package squashfs-tools (or squashfs-tools-ng), or name the program with CONDA_STAGE_MKSQUASHFS=PATH.',
      },
    )
  }
  const first = { ...options, program: found, help: await saidBy(found, '-help', env) }
  const isOld = basename(found) === 'mksquashfs' && !/^-tar\b/m.test(first.help)
  const other = isOld && env.CONDA_STAGE_MKSQUASHFS === undefined ? await findProgram(['tar2sqfs'], search) : undefined
  const chosen = other === undefined ? first : { ...first, program: other, help: await saidBy(other, '--help', env) }
  const { program } = chosen
  if (basename(program) === 'tar2sqfs') return (path) => feed(program, tar2sqfs(path, chosen), { path, env, signal })
  if (!isOld) return (path) => feed(program, ['-', path, '-tar', ...TOP, ...mksquashfs(chosen)], { path, env, signal })
  const folder = await options.localFolder()
  return (path) => fromFolder(path, { ...chosen, folder })
}

/** mksquashfs takes nothing about the top folder from a tar. */
const TOP = ['-root-mode', '0755', '-root-uid', '0', '-root-gid', '0']

interface Chosen extends MakerOptions {
  program: string
  /** What it says about itself. */
  help: string
}

const hasZstd = ({ help }: Chosen): boolean => /^\s+zstd\b/m.test(help)

const tar2sqfs = (path: string, chosen: Chosen): string[] => [
  ...['--quiet', '--force', '--no-skip', '--no-xattr', `--num-jobs=${chosen.threads}`],
  ...(hasZstd(chosen) ? ['--compressor=zstd', `--comp-extra=level=${chosen.level}`] : ['--compressor=gzip']),
  path,
]

const mksquashfs = (chosen: Chosen): string[] => [
  ...['-noappend', '-no-progress', '-quiet', '-no-xattrs', '-processors', String(chosen.threads)],
  ...(hasZstd(chosen) ? ['-comp', 'zstd', '-Xcompression-level', String(chosen.level)] : ['-comp', 'gzip']),
]

/** tar unpacks the stream into a folder of its own, of which mksquashfs makes the image. */
function fromFolder(path: string, chosen: Chosen & { folder: string }): ImageMaker {
  const { program, env, signal } = chosen
  const options = { path, env, signal }
  const begun = unpackingPlace(chosen.folder).then((place) => ({
    place,
    tar: feed('tar', ['-xpf', '-', '-C', place.prefix], options),
  }))
  // It surfaces at the first use; until then it must not count as unhandled.
  begun.catch(() => {})
  return {
    async write(data) {
      await (await begun).tar.write(data)
    },
    async finish() {
      const { place, tar } = await begun
      await tar.finish()
      await run(program, [place.prefix, path, '-all-root', ...mksquashfs(chosen)], options)
    },
    async settle() {
      const work = await begun.catch(() => undefined)
      await work?.tar.settle()
      if (work) await removeTree(work.place.folder)
    },
  }
}

/** A folder as that of a stage which is being made: if we are killed, the next sweep removes it. */
async function unpackingPlace(local: string): Promise<Place> {
  for (;;) {
    const place = placeFor({ local: { path: local, real: local, created: false }, name: 'image', length: 0 })
    if (!(await makeOwnFolder(place.folder, surroundings().uid))) continue
    await mkdir(place.prefix)
    return place
  }
}
