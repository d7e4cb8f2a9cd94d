/** A random environment, and random changes to it as package managers and users make them. */
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { generator } from '../relocate/helpers.ts'

const NOISE = randomBytes(12 * 1024 * 1024)

export class RandomTree {
  readonly prefix: string
  readonly #number: (below: number) => number
  #names = 0

  constructor(prefix: string, seed: number) {
    this.prefix = prefix
    this.#number = generator(seed)
    for (const folder of ['bin', 'conda-meta', 'lib/python3.12/site-packages/one', 'share/a/b/c', 'share/empty'])
      mkdirSync(join(prefix, folder), { recursive: true })
    writeFileSync(join(prefix, 'conda-meta/history'), '')
    for (let count = 0; count < 40; count++) this.addFile()
    for (let count = 0; count < 3; count++) this.record(this.#some(this.#files(), 8))
    for (let count = 0; count < 3; count++) this.addLink()
    for (let count = 0; count < 3; count++) this.addSymlink()
  }

  /** Changes that the quick check sees; with `deep` also changes that only a look at every file reveals. */
  change(deep: boolean): void {
    const changes = [
      () => this.addFile(),
      () => this.addLink(),
      () => this.addSymlink(),
      () => this.record(this.#some(this.#files(), 3)),
      () => this.#each(this.#recordFiles(), (path) => this.#replace(path, readFileSync(path))),
      () => this.#each(this.#recordFiles(), (path) => unlinkSync(path)),
      () => this.#each(this.#files(), (path) => this.#replace(path, this.#content())),
      () => this.#each(this.#files(), (path) => unlinkSync(path)),
      () => this.#each(this.#files(), (path) => renameSync(path, this.#newPath())),
      () => this.#each(this.#files(), (path) => this.#becomes(path, () => symlinkSync('history', path))),
      () => this.#each(this.#files(), (path) => this.#becomes(path, () => mkdirSync(path))),
      () => this.#each(this.#folders(), (path) => utimesSync(path, new Date(), new Date())),
      () => this.#each(this.#folders(), (path) => chmodSync(path, 0o711)),
      // The next changes need at least one folder.
      () =>
        this.#each(
          this.#folders().filter((path) => path !== join(this.prefix, 'share')),
          (path) => rmSync(path, { recursive: true }),
        ),
      () => this.#each(this.#own(deep), (path) => appendFileSync(path, `${this.prefix}/more`)),
      () => this.#each(this.#own(deep), (path) => chmodSync(path, 0o750)),
      () => this.#each(this.#own(deep), (path) => utimesSync(path, 1e9, this.#number(1e9))),
    ]
    changes[this.#number(changes.length)]!()
  }

  /** A change that every check sees. */
  note(): void {
    appendFileSync(join(this.prefix, 'conda-meta/history'), 'changed\n')
  }

  addFile(): void {
    writeFileSync(this.#newPath(), this.#content(), { mode: this.#number(3) === 0 ? 0o755 : 0o644 })
  }

  addLink(): void {
    this.#each(this.#files(), (path) => linkSync(path, this.#newPath()))
  }

  addSymlink(): void {
    symlinkSync('../share/a', this.#newPath())
  }

  /** Records like conda's. A path is in one record only. */
  record(paths: readonly string[]): void {
    const recorded = this.#recorded()
    const files = paths.map((path) => path.slice(this.prefix.length + 1)).filter((path) => !recorded.has(path))
    writeFileSync(join(this.prefix, `conda-meta/package-${this.#names++}-0.json`), JSON.stringify({ files }))
  }

  #content(): Buffer {
    const kind = this.#number(12)
    if (kind === 0) return Buffer.alloc(0)
    const sizes = kind < 8 ? 20_000 : kind < 11 ? 2_000_000 : 11_000_000
    const start = this.#number(1_000_000)
    const noise = NOISE.subarray(start, start + this.#number(sizes))
    return this.#number(3) === 0 ? Buffer.concat([Buffer.from(`#!${this.prefix}/bin/python\n`), noise]) : noise
  }

  #newPath(): string {
    const folders = this.#folders()
    return join(folders[this.#number(folders.length)]!, `n${this.#names++}`)
  }

  #each(paths: readonly string[], change: (path: string) => void): void {
    if (paths.length > 0) change(paths[this.#number(paths.length)]!)
  }

  #some(paths: readonly string[], count: number): string[] {
    return paths.filter(() => this.#number(paths.length) < count)
  }

  #replace(path: string, content: Buffer): void {
    writeFileSync(`${path}.new`, content)
    renameSync(`${path}.new`, path)
  }

  #becomes(path: string, make: () => void): void {
    unlinkSync(path)
    make()
  }

  #all(path = this.prefix): string[] {
    const names = readdirSync(path).map((name) => join(path, name))
    return names.flatMap((name) => (lstatSync(name).isDirectory() ? [name, ...this.#all(name)] : [name]))
  }

  #files(): string[] {
    const meta = join(this.prefix, 'conda-meta')
    return this.#all().filter((path) => lstatSync(path).isFile() && dirname(path) !== meta)
  }

  #folders(): string[] {
    return this.#all().filter((path) => lstatSync(path).isDirectory() && !/\/(conda-meta|bin)$/.test(path))
  }

  #recordFiles(): string[] {
    const meta = join(this.prefix, 'conda-meta')
    return readdirSync(meta).flatMap((name) => (name.endsWith('.json') ? [join(meta, name)] : []))
  }

  #recorded(): Set<string> {
    return new Set(this.#recordFiles().flatMap((path) => JSON.parse(readFileSync(path, 'utf8')).files as string[]))
  }

  /** Files that may be edited in place: all, or those without a recorded name. */
  #own(all: boolean): string[] {
    const inodes = new Set<number>()
    const files = this.#files()
    const recorded = this.#recorded()
    for (const path of files) if (recorded.has(path.slice(this.prefix.length + 1))) inodes.add(lstatSync(path).ino)
    return all ? files : files.filter((path) => !inodes.has(lstatSync(path).ino))
  }
}
