import { basename, resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Filter } from '../conda-pack/filter.ts'
import { SETTINGS, type Settings } from '../config/settings.ts'
import { defaultThreads } from '../platform/cpus.ts'
import { exists } from '../platform/remote-fs.ts'

/** Options that shape an archive. Names and meanings are conda-pack's. */
export interface ShapeOptions {
  arcroot?: string
  destPrefix?: string
  filters?: Filter[]
  /** The archive is a tar.bz2, which is no setting: it can't be staged. */
  bzip2?: true
  /** The archive is an image, which is no setting: it is mounted, not extracted. */
  image?: true
}

/** Formats by the endings that stand for them. */
const ENDINGS = {
  '.tar.zst': 'tar.zst',
  '.tzst': 'tar.zst',
  '.tar.gz': 'tar.gz',
  '.tgz': 'tar.gz',
  '.tar.bz2': 'tar.bz2',
  '.tbz2': 'tar.bz2',
  '.tar': 'tar',
  '.zip': 'zip',
  '.sqfs': 'sqfs',
  '.squashfs': 'sqfs',
} as const
type Format = (typeof ENDINGS)[keyof typeof ENDINGS]

/** What --format takes: formats, their short endings, and conda-pack's word for none of them. */
const FORMAT_WORDS = [...SETTINGS.format.of, 'squashfs', 'tar.bz2', 'tzst', 'tgz', 'tbz2', 'sqfs', 'infer']

/** conda-pack's archives that we can read but don't write. */
const READABLE = /\.(tar\.xz|txz)$/i

export function addPackOptions(command: Command): Command {
  // One list for both, because their order matters.
  const filters: Filter[] = []
  const collect = (kind: Filter['kind']) => (pattern: string) => {
    filters.push({ kind, pattern })
    return filters
  }
  return (
    command
      .addOption(
        new Option(
          '--format <format>',
          'format of the archive (default: by the name of --output, else tar.zst)',
        ).choices(FORMAT_WORDS),
      )
      .addOption(
        new Option(
          '--compress-level <n>',
          'zstd 0 to 19, gzip, zip and bzip2 0 to 9; 0: as little as possible',
        ).argParser(wholeFrom(0)),
      )
      .addOption(
        new Option('--threads <n>', 'number of threads (default: the CPUs available, up to 16)').argParser(
          wholeFrom(1),
        ),
      )
      .addOption(
        new Option('-j, --n-threads <n>', 'as --threads; -1: all CPUs').argParser(threads).conflicts('threads'),
      )
      .addOption(
        new Option('--exclude <pattern>', 'with --pack --output: leave out what matches').argParser(collect('exclude')),
      )
      .addOption(
        new Option(
          '--include <pattern>',
          'with --pack --output: take what matches, even if an --exclude before it matches',
        ).argParser(collect('include')),
      )
      .option('--arcroot <dir>', 'with --pack --output: put the environment into this folder of the archive')
      .option('-d, --dest-prefix <dir>', 'with --pack --output: pack for use at this path, without conda-unpack')
      .addOption(new Option('--packer <who>', 'who packs; conda-pack writes NAME.tar.gz').choices(SETTINGS.packer.of))
      .option('--ignore-editable-packages', 'do not warn about editable packages, whose sources are elsewhere')
      // conda-pack's users give it for every zip. Ours have links in any case.
      .addOption(new Option('--zip-symlinks').hideHelp())
  )
}

/** What `packShape` reads from the command line, and from where. */
interface ShapeContext {
  action: string
  cwd: string
  /** Makes the error for people. */
  usage(message: string): Error
}

/**
 * The format that --format or the ending of --output asks for; undefined if neither does.
 * @throws what `usage` makes, if --output has the ending of another kind of file
 */
export async function askedFormat(
  given: Record<string, unknown>,
  { action, cwd, usage }: ShapeContext,
): Promise<Format | undefined> {
  const output = given.output as string | undefined
  const word = given.format === 'infer' ? undefined : (given.format as string | undefined)
  if (word !== undefined) return ENDINGS[`.${word}` as keyof typeof ENDINGS]
  // Whatever a file is called, its bytes say what it is.
  if (action === 'verify') return undefined
  if (output === undefined) return given.packer === 'conda-pack' ? 'tar.gz' : undefined
  const name = basename(output).toLowerCase()
  const ending = (Object.keys(ENDINGS) as (keyof typeof ENDINGS)[]).find((each) => name.endsWith(each))
  const isThere = async () => action !== 'pack' && (await exists(resolve(cwd, output)))
  if (ending === undefined) {
    // A version at the end of a name is no ending.
    const other = /(?!^)(?:(?:\.tar)?\.(?=\d*[a-z])[a-z\d]{1,8}|\.no-archive)$/.exec(name)?.[0]
    if (other !== undefined && !(READABLE.test(name) && (await isThere())))
      throw usage(
        `--output=${output}: conda-stage does not write ${other} files. It writes ${list(Object.keys(ENDINGS))}`,
      )
    return given.packer === 'conda-pack' ? 'tar.gz' : undefined
  }
  const format = ENDINGS[ending]
  if (format !== 'tar.bz2') return format
  // One of conda-pack's.
  if (await isThere()) return undefined
  throw usage(`--output=${output}: conda-stage writes a tar.bz2 only with --format=tar.bz2, because it can't be staged`)
}

/** Reads the options of `addPackOptions` that are not settings. `format` is the one that was asked for. */
export function packShape(
  given: Record<string, unknown>,
  settings: Settings,
  { format = settings.format, action, usage }: ShapeContext & { format?: Format | undefined },
): ShapeOptions & Pick<Settings, 'compressLevel'> {
  const most = { 'tar.zst': 19, 'tar.gz': 9, 'tar.bz2': 9, tar: 0, zip: 9, sqfs: 19 }[format]
  const { compressLevel: level } = settings
  if (given.compressLevel !== undefined && level !== undefined && level > most)
    throw usage(
      most === 0 ? 'a plain tar has no --compress-level' : `--compress-level=${level}: ${format} takes 0 to ${most}`,
    )
  const shape: ShapeOptions = {
    ...arcroot(given.arcroot, usage),
    ...destPrefix(given.destPrefix, usage),
    ...((given.exclude ?? given.include) !== undefined && { filters: (given.exclude ?? given.include) as Filter[] }),
    ...(format === 'tar.bz2' && { bzip2: true }),
  }
  if (format === 'sqfs') {
    if (!FOR_IMAGES.has(action))
      throw usage('--format=squashfs makes an image, which is mounted and not extracted: it goes with --pack')
    if (shape.arcroot !== undefined) throw usage('an image is mounted at one place: it has no --arcroot')
  }
  const [first] = Object.keys(shape) as (keyof Omit<ShapeOptions, 'image'>)[]
  // Such an archive is not the whole environment, or has no index: staging must not find it.
  if (first !== undefined && (action !== 'pack' || given.output === undefined)) {
    const name = {
      arcroot: '--arcroot',
      destPrefix: '--dest-prefix',
      filters: '--exclude or --include',
      bzip2: '--format=tar.bz2',
    }[first]
    throw usage(`${name} makes an archive for use elsewhere: it goes with --pack and --output=FILE`)
  }
  // A level from a file may exceed what this format takes.
  return {
    ...shape,
    ...(format === 'sqfs' && { image: true }),
    compressLevel: level === undefined || most === 0 ? undefined : Math.min(level, most),
  }
}

/** Actions that can be about an image. */
const FOR_IMAGES: ReadonlySet<string> = new Set(['pack', 'verify', 'status'])

function arcroot(given: unknown, usage: (message: string) => Error): Pick<ShapeOptions, 'arcroot'> {
  if (typeof given !== 'string') return {}
  const parts = given.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw usage(`--arcroot=${given} leads out of the archive`)
  return parts.length === 0 ? {} : { arcroot: parts.join('/') }
}

/** Any text, as with conda-pack: whoever unpacks may have a program that puts a path in its place. */
function destPrefix(given: unknown, usage: (message: string) => Error): Pick<ShapeOptions, 'destPrefix'> {
  if (typeof given !== 'string') return {}
  const text = given.replace(/\/+$/, '')
  if (text === '') throw usage(`--dest-prefix=${given} is not a place for an environment`)
  return { destPrefix: text }
}

const list = (words: readonly string[]): string => `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`

const threads = (text: string): number => (text === '-1' ? defaultThreads() : wholeFrom(1)(text))

const wholeFrom =
  (least: number) =>
  (text: string): number => {
    const n = Number(text)
    if (text.trim() === '' || !Number.isInteger(n) || n < least || n > 1024)
      throw new InvalidArgumentError(n > 1024 ? 'Give a number up to 1024.' : `Give a whole number from ${least}.`)
    return n
  }
