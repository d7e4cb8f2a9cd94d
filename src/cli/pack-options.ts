import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Filter } from '../conda-pack/filter.ts'
import { SETTINGS, type Settings } from '../config/settings.ts'
import type { ArchiveFormat } from '../model/archive-index.ts'
import { defaultThreads } from '../platform/cpus.ts'

/** Options that shape an archive. Names and meanings are conda-pack's. */
export interface ShapeOptions {
  arcroot?: string
  destPrefix?: string
  filters?: Filter[]
}

export function addPackOptions(command: Command): Command {
  // One list for both, because their order matters.
  const filters: Filter[] = []
  const collect = (kind: Filter['kind']) => (pattern: string) => {
    filters.push({ kind, pattern })
    return filters
  }
  return command
    .addOption(
      new Option('--format <format>', 'kind of archive (default: by the name of --output, else tar.zst)').choices(
        SETTINGS.format.of,
      ),
    )
    .addOption(new Option('--compress-level <n>', 'zstd 1 to 19, gzip and zip 1 to 9').argParser(positive))
    .addOption(new Option('--threads <n>', 'threads to work with (default: the CPUs we may use)').argParser(positive))
    .addOption(new Option('-j, --n-threads <n>', 'as --threads; -1: all CPUs').argParser(threads).conflicts('threads'))
    .addOption(
      new Option('--exclude <pattern>', 'with --pack --output: leave out what matches').argParser(collect('exclude')),
    )
    .addOption(new Option('--include <pattern>', '... but take this, after --exclude').argParser(collect('include')))
    .option('--arcroot <dir>', 'with --pack --output: folder of the archive that holds the environment')
    .option('--dest-prefix <dir>', 'with --pack --output: pack for this place, without conda-unpack')
    .addOption(new Option('--packer <who>', 'who packs; conda-pack writes NAME.tar.gz').choices(SETTINGS.packer.of))
    .option('--ignore-editable-packages', 'no warning about packages with their sources elsewhere')
}

/** Reads the options of `addPackOptions` that are not settings. `usage` makes the error for people. */
export function packShape(
  given: Record<string, unknown>,
  { format, compressLevel }: Settings,
  action: string,
  usage: (message: string) => Error,
): ShapeOptions & Pick<Settings, 'compressLevel'> {
  const most = { 'tar.zst': 19, 'tar.gz': 9, tar: 0, zip: 9 }[format]
  const level = compressLevel ?? 0
  if (given.compressLevel !== undefined && level > most)
    throw usage(
      most === 0 ? 'a plain tar has no --compress-level' : `--compress-level=${level}: ${format} takes 1 to ${most}`,
    )
  const shape: ShapeOptions = {
    ...arcroot(given.arcroot, usage),
    ...destPrefix(given.destPrefix, usage),
    ...((given.exclude ?? given.include) !== undefined && { filters: (given.exclude ?? given.include) as Filter[] }),
  }
  const [first] = Object.keys(shape)
  // Such an archive is not the whole environment: staging must not find it.
  if (first !== undefined && (action !== 'pack' || given.output === undefined)) {
    const name = { arcroot: '--arcroot', destPrefix: '--dest-prefix', filters: '--exclude or --include' }[first]
    throw usage(`${name} makes an archive for use elsewhere: it goes with --pack and --output=FILE`)
  }
  // A level from a file may exceed what this format takes.
  return { ...shape, compressLevel: Math.min(level, most) || undefined }
}

/** The format that the ending of a name stands for; undefined if none. */
export function formatOf(output: string | undefined): ArchiveFormat | undefined {
  const end = /\.(tar\.zst|tzst|tar\.gz|tgz|tar|zip)$/.exec(output ?? '')?.[1]
  const short: Record<string, ArchiveFormat> = { tzst: 'tar.zst', tgz: 'tar.gz' }
  return end === undefined ? undefined : (short[end] ?? (end as ArchiveFormat))
}

function arcroot(given: unknown, usage: (message: string) => Error): Pick<ShapeOptions, 'arcroot'> {
  if (typeof given !== 'string') return {}
  const parts = given.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw usage(`--arcroot=${given} leads out of the archive`)
  return parts.length === 0 ? {} : { arcroot: parts.join('/') }
}

function destPrefix(given: unknown, usage: (message: string) => Error): Pick<ShapeOptions, 'destPrefix'> {
  if (typeof given !== 'string') return {}
  const path = given.replace(/\/+$/, '')
  if (!path.startsWith('/')) throw usage(`--dest-prefix=${given} is not an absolute path`)
  return { destPrefix: path }
}

const threads = (text: string): number => (text === '-1' ? defaultThreads() : positive(text))

function positive(text: string): number {
  const n = Number(text)
  if (!Number.isInteger(n) || n < 1 || n > 1024) throw new InvalidArgumentError('Give a whole number from 1.')
  return n
}
