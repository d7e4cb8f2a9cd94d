/** Small disks, mounted where only this process sees them, that others fill up at any moment. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

export type Kind = 'space' | 'inodes' | 'quota'

const MB = 2 ** 20
const PIECE = Buffer.alloc(MB / 4)

/** Of the kinds of file systems with quotas, this is the one that needs nothing from the kernel but itself. */
export const hasQuotas = (): boolean => /\bbtrfs$/m.test(readFileSync('/proc/filesystems', 'utf8'))

export class Disk {
  readonly path: string
  readonly #kind: Kind
  readonly #mount: string
  readonly #filler: string

  /** @param mount the folder to mount on; the disk's own folder is in it */
  constructor(mount: string, kind: Kind) {
    this.#mount = mount
    this.#kind = kind
    this.path = `${mount}/disk`
    this.#filler = `${this.path}/.filler`
    mkdirSync(mount, { recursive: true })
    if (kind === 'quota') this.#mountBtrfs()
    else execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m,nr_inodes=3000,mode=755', 'tmpfs', mount])
    if (kind !== 'quota') mkdirSync(this.path)
  }

  #mountBtrfs(): void {
    const image = `${dirname(this.#mount)}/image-${this.#mount.split('/').at(-1)}`
    writeFileSync(image, '')
    truncateSync(image, 256 * MB)
    execFileSync('mkfs.btrfs', ['-q', '-f', image], { env: PATH, stdio: ['ignore', 'ignore', 'pipe'] })
    execFileSync('mount', ['-o', 'loop', image, this.#mount])
    rmSync(image)
    this.#btrfs('quota', 'enable', this.#mount)
    this.#btrfs('subvolume', 'create', this.path)
  }

  #btrfs(...args: string[]): void {
    execFileSync('btrfs', args, { env: PATH, stdio: ['ignore', 'ignore', 'pipe'] })
  }

  /** Takes everything but so much: bytes, or inodes. */
  fill(left: number): void {
    if (this.#kind === 'space') this.#take(left)
    else if (this.#kind === 'inodes') this.#takeInodes(left)
    else this.#limit(String(this.#used() + left))
  }

  #take(left: number): void {
    const { bavail, bsize } = statfsSync(this.path)
    const file = openSync(this.#filler, 'w')
    try {
      for (let bytes = bavail * bsize - left; bytes > 0; bytes -= PIECE.length)
        writeSync(file, PIECE, 0, Math.min(bytes, PIECE.length))
    } catch {
      // Somebody else was quicker.
    } finally {
      closeSync(file)
    }
  }

  #takeInodes(left: number): void {
    try {
      mkdirSync(this.#filler)
      for (let n = statfsSync(this.path).ffree - left; n > 0; n--) closeSync(openSync(`${this.#filler}/${n}`, 'w'))
    } catch {
      // Somebody else was quicker.
    }
  }

  /** Of the first subvolume. Asked for by way of the disk's top, which has no quota that could forbid it. */
  #limit(bytes: string): void {
    this.#btrfs('qgroup', 'limit', bytes, '0/256', this.#mount)
  }

  #used(): number {
    execFileSync('sync', ['-f', this.path])
    const shown = execFileSync('btrfs', ['qgroup', 'show', '--raw', '-f', this.path], { env: PATH, encoding: 'utf8' })
    return Number(/^\d+\/\d+ +(\d+)/m.exec(shown)?.[1] ?? 0)
  }

  /** Gives back what `fill` took. */
  free(): void {
    if (this.#kind === 'quota') this.#limit('none')
    rmSync(this.#filler, { recursive: true, force: true })
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['--lazy', this.#mount])
  }
}

const PATH = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
