import { constants } from 'node:fs'
import { grouped, megabytes, milliseconds } from '../../model/amounts.ts'
import { whyNotShown } from '../../mount/namespace.ts'
import { listCopies } from '../../pipeline/copies.ts'
import { findProgram } from '../../platform/find-program.ts'
import { suitableFolders } from '../../platform/local-disk.ts'
import { type Mount, mountOf, parseMountInfo, readMountInfo } from '../../platform/mounts.ts'
import { access, exists, realpath } from '../../platform/remote-fs.ts'
import { availableRoom } from '../../platform/room.ts'
import { speedOfDisk } from '../../platform/speed-of-disk.ts'
import { timeOfLookUp } from '../../platform/time-of-look-up.ts'
import { bad, type Check, type Finding, good, note } from './finding.ts'

/** Less than that holds hardly any environment. */
const LITTLE_BYTES = 2e9
const FEW_INODES = 50_000

async function speedIn(folder: string): Promise<string> {
  try {
    const { write, read, isMemory } = await speedOfDisk(folder)
    const speed = (rate: number) => `${grouped(Math.round(rate))} MB/s`
    return `writes ${speed(write)}, reads ${speed(read)}${isMemory ? ' (from memory)' : ''}`
  } catch (error) {
    return `its speed is not known: ${(error as Error).message}`
  }
}

/** Stands for an environment if there is none. In /tmp something may be mounted (AppImages do that), and then it can't be shown anew. */
const NOTHING_BELOW = '/usr/bin'

/** This node: its disks, what stands there, and what it can mount. */
export const machineChecks: Readonly<Record<string, Check>> = {
  'local disks': async (patient) => {
    const mounts = parseMountInfo(readMountInfo())
    const folders = await suitableFolders({ ...patient, mounts, dryRun: true })
    if (folders.length === 0)
      return [
        bad(
          'local disks',
          'no folder on local disk can be used',
          "Name one with --path or CONDA_STAGE_PATH. 'conda-stage --dry-run --verbose' says what is wrong with each.",
        ),
      ]
    const found: Finding[] = []
    const speeds = new Map<Mount | undefined, string>()
    for (const { path, real } of folders) {
      const { bytes, inodes } = await availableRoom(real)
      const isFull = bytes < LITTLE_BYTES || inodes < FEW_INODES
      const mount = mountOf(real, mounts)
      // Of several folders on one disk, the first has told.
      const known = speeds.get(mount) ?? (isFull ? 'too full to measure how fast it writes' : await speedIn(real))
      speeds.set(mount, known)
      const speed = `${known}, a look-up takes ${milliseconds(await timeOfLookUp(real))}`
      const free = inodes === Number.POSITIVE_INFINITY ? 'any number of files' : `${grouped(inodes)} inodes`
      const says = `${path}: ${mount?.fsType ?? 'unknown'}, ${megabytes(bytes)} and ${free} free, ${speed}`
      const remedy = 'Free some room there, or name another folder with --path.'
      found.push(isFull ? note('local disks', says, remedy) : good('local disks', says))
    }
    return found
  },

  copies: async (patient) => {
    const copies = await listCopies(patient)
    const unused = copies.filter(({ users, programs }) => users.length === 0 && !programs)
    if (copies.length === 0) return [good('copies', 'none on this node')]
    if (unused.length === 0) return [good('copies', `${copies.length} on this node, all in use`)]
    const bytes = unused.reduce((sum, each) => sum + (each.bytes ?? 0), 0)
    const says = `nobody uses ${unused.length} of ${copies.length} copies (${megabytes(bytes)})`
    return [note('copies', says, "'conda-stage --list' shows them, 'conda-stage --clean' removes them.")]
  },

  namespaces: async ({ original }) => {
    const target = original !== undefined && (await exists(original)) ? await realpath(original) : NOTHING_BELOW
    const why = await whyNotShown({ kind: 'bind', source: target, target })
    if (why === undefined)
      return [good('namespaces', 'a copy can stand in the place of its original (--exec, --shell)')]
    return [note('namespaces', `--exec uses relocated copies: ${why}`, 'docs/exec.md says what a site can change.')]
  },

  images: async ({ env, original }) => {
    const without = original === undefined ? [] : [original]
    const search = (variable: string) => ({ env, variable, without })
    const server = await findProgram(['squashfuse_ll'], search('CONDA_STAGE_SQUASHFUSE'))
    const maker = await findProgram(['mksquashfs', 'tar2sqfs'], search('CONDA_STAGE_MKSQUASHFS'))
    const fuse = await access('/dev/fuse', constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    )
    const missing = [
      ...(fuse ? [] : ['/dev/fuse that you may open (chmod 666 /dev/fuse)']),
      ...(server ? [] : ['squashfuse_ll (package squashfuse)']),
      ...(maker ? [] : ['mksquashfs (package squashfs-tools)']),
    ]
    return missing.length === 0
      ? [good('images', 'can be made and mounted')]
      : [
          note(
            'images',
            `can't be used here: there is no ${missing.join(', no ')}`,
            'Only --mount needs it: docs/images.md.',
          ),
        ]
  },

  strace: async ({ env }) => {
    const program = await findProgram(['strace'], { env, variable: 'CONDA_STAGE_STRACE', without: [] })
    return [
      program ? good('strace', program) : note('strace', 'is not here', 'Only --proof needs it: docs/evidence.md.'),
    ]
  },
}
