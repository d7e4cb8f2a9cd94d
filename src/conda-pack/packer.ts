import { spawn } from 'node:child_process'
import { constants } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { withArchiveLock } from '../cache/index.ts'
import { StageError } from '../errors.ts'
import { homeOf } from '../platform/home.ts'
import { makeFolders } from '../platform/make-folders.ts'
import { access, realpath, writeFile } from '../platform/remote-fs.ts'

type Variables = Readonly<Record<string, string | undefined>>

export interface PackerOptions {
  env: Variables
  /** The environment to pack. Its own programs are used only if there are no others. */
  prefix: string
  signal?: AbortSignal | undefined
}

/**
 * The first conda-pack on PATH, else the one that `installCondaPack` has installed.
 * Gives undefined if there is neither.
 */
export async function findCondaPack(options: PackerOptions): Promise<string | undefined> {
  const [onPath] = await programsNamed('conda-pack', options)
  if (onPath !== undefined) return onPath
  const { program, complete } = installation(options.env)
  return (await isThere(complete)) ? program : undefined
}

/**
 * Installs conda-pack with pip into conda-stage's own data folder, unless another process has just done so.
 * @throws StageError NO_CONDA_PACK
 */
export async function installCondaPack(options: PackerOptions): Promise<string> {
  const { folder, program, complete } = installation(options.env)
  await makeFolders(dirname(folder), 0o700).catch((cause: Error) => {
    throw notInstalled(`${dirname(folder)} can't be made (${cause.message})`, cause)
  })
  await withArchiveLock(folder, options.signal ? { signal: options.signal } : {}, async () => {
    if (await isThere(complete)) return
    await installInto(folder, options)
    // Written last: an installation that was interrupted starts again from nothing.
    await writeFile(complete, '')
  })
  return program
}

/**
 * @param onOutput gets what conda-pack prints, as it comes
 * @throws StageError CONDA_PACK_FAILED, CANCELLED
 */
export async function runCondaPack(
  program: string,
  args: readonly string[],
  options: PackerOptions & { onOutput(text: string): void },
): Promise<void> {
  const { status, errors } = await run(program, args, options)
  if (status === 0) return
  if (options.signal?.aborted) throw new StageError('CANCELLED', `${program} was stopped`)
  throw new StageError('CONDA_PACK_FAILED', `${program} failed (${status}): ${errors.trim() || NO_OUTPUT}`, {
    path: program,
    hint: "Fix what it reports, or let conda-stage pack by itself: leave out '--packer=conda-pack'.",
  })
}

/** Where conda-stage keeps its own conda-pack. `complete` marks an installation that came to its end. */
function installation(env: Variables): { folder: string; program: string; complete: string } {
  const folder = join(dataFolder(env), 'conda-pack')
  return { folder, program: join(folder, 'bin/conda-pack'), complete: join(folder, 'complete') }
}

/** A virtual environment with conda-pack, and with zstandard, which conda-pack needs for tar.zst. */
async function installInto(folder: string, options: PackerOptions): Promise<void> {
  const [python] = await programsNamed('python3', options)
  if (python === undefined) throw notInstalled('there is no python3 on PATH')
  const venv = await run(python, ['-m', 'venv', '--clear', folder], options)
  if (venv.status !== 0) {
    const reason = `'${python} -m venv' failed (${venv.status}): ${lastLine(venv.errors)}`
    throw notInstalled(`${reason} (on Debian, install python3-venv)`)
  }
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'conda-pack', 'zstandard']
  const installed = await run(join(folder, 'bin/python'), pip, options)
  if (installed.status !== 0) throw notInstalled(`pip failed (${installed.status}): ${lastLine(installed.errors)}`)
}

function notInstalled(reason: string, cause?: unknown): StageError {
  return new StageError('NO_CONDA_PACK', `conda-pack is not on PATH and can't be installed: ${reason}`, {
    hint: "Put conda-pack on PATH, or let conda-stage pack by itself: leave out '--packer=conda-pack'.",
    cause,
  })
}

/** Runs a program to its end. `errors` is the end of what it wrote to standard error. */
function run(
  program: string,
  args: readonly string[],
  { env, signal, onOutput = () => {} }: PackerOptions & { onOutput?(text: string): void },
): Promise<{ status: number | string; errors: string }> {
  // These are meant for the session's own Python, not for the one that runs conda-pack.
  const { PYTHONHOME: _, PYTHONPATH: __, ...others } = env
  return new Promise((resolve) => {
    const child = spawn(program, args, { env: others, stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) })
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', onOutput)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-10_000)
    })
    child.on('error', (error) => resolve({ status: error.message, errors }))
    child.on('close', (code, stoppedBy) => resolve({ status: code ?? stoppedBy ?? 'ended', errors }))
  })
}

/** All programs of that name on PATH. Those of the environment itself come last. */
async function programsNamed(name: string, { env, prefix }: PackerOptions): Promise<string[]> {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'))
  const found: string[] = []
  for (const folder of folders) {
    const program = join(folder, name)
    if (await isThere(program, constants.X_OK)) found.push(program)
  }
  const real = await realpath(prefix)
  const isOwn = (program: string) => program.startsWith(`${prefix}/`) || program.startsWith(`${real}/`)
  return [...found.filter((program) => !isOwn(program)), ...found.filter(isOwn)]
}

/** Follows the XDG base directory specification. */
function dataFolder(env: Variables): string {
  const given = env.XDG_DATA_HOME
  return join(given?.startsWith('/') ? given : join(homeOf(env), '.local/share'), 'conda-stage')
}

const isThere = (path: string, mode?: number): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  )

const NO_OUTPUT = 'it printed no error message'

const lastLine = (text: string): string => text.trim().split('\n').at(-1) || NO_OUTPUT
