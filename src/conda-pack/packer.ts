import { spawn } from 'node:child_process'
import { access, constants, mkdir, realpath, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { withArchiveLock } from '../cache/index.ts'
import { StageError } from '../errors.ts'

export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>
  /** The environment that is to be packed, whose programs are not used where there are others. */
  prefix: string
  /** What the program writes, as it comes. */
  onOutput(text: string): void
  signal?: AbortSignal | undefined
}

/**
 * The conda-pack to use: the first on PATH, else the one in a folder of conda-stage's own, where it is installed by pip
 * if it is not there yet.
 * @throws StageError NO_CONDA_PACK
 */
export async function findCondaPack(surroundings: Surroundings & { onInstall(): void }): Promise<string> {
  const [onPath] = await programsNamed('conda-pack', surroundings)
  if (onPath !== undefined) return onPath
  const folder = join(dataFolder(surroundings.env), 'conda-pack')
  const [program, complete] = [join(folder, 'bin/conda-pack'), join(folder, 'complete')]
  if (await isThere(complete)) return program
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 }).catch((cause: Error) => {
    throw failed(`${dirname(folder)} can't be made (${cause.message})`, cause)
  })
  await withArchiveLock(folder, surroundings.signal ? { signal: surroundings.signal } : {}, async () => {
    if (await isThere(complete)) return
    surroundings.onInstall()
    await install(folder, surroundings)
    // Last, so that what was cut short is begun from nothing.
    await writeFile(complete, '')
  })
  return program
}

/** @throws StageError CONDA_PACK_FAILED, CANCELLED */
export async function runCondaPack(
  program: string,
  args: readonly string[],
  surroundings: Surroundings,
): Promise<void> {
  const { status, said } = await run(program, args, surroundings, surroundings.onOutput)
  if (status === 0) return
  if (surroundings.signal?.aborted) throw new StageError('CANCELLED', `${program} was stopped`)
  throw new StageError('CONDA_PACK_FAILED', `${program} failed (${status}): ${said.trim() || 'it said nothing'}`, {
    path: program,
    hint: "Mend what it says, or let conda-stage pack by itself: leave out '--packer=conda-pack'.",
  })
}

/** A virtual environment with conda-pack in it, and zstandard, without which it writes no tar.zst. */
async function install(folder: string, surroundings: Surroundings): Promise<void> {
  const pythons = await programsNamed('python3', surroundings)
  if (pythons.length === 0) throw failed('there is no python3 on PATH')
  const venv = await run(pythons[0]!, ['-m', 'venv', '--clear', folder], surroundings)
  if (venv.status !== 0)
    throw failed(
      `'${pythons[0]} -m venv' failed (${venv.status}): ${lastLine(venv.said)} (on Debian it needs python3-venv)`,
    )
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'conda-pack', 'zstandard']
  const installed = await run(join(folder, 'bin/python'), pip, surroundings)
  if (installed.status !== 0) throw failed(`pip failed (${installed.status}): ${lastLine(installed.said)}`)
}

function failed(what: string, cause?: unknown): StageError {
  return new StageError('NO_CONDA_PACK', `conda-pack is not on PATH, and can't be installed: ${what}`, {
    hint: "Put conda-pack on PATH, or let conda-stage pack by itself: leave out '--packer=conda-pack'.",
    cause,
  })
}

function run(
  program: string,
  args: readonly string[],
  { env, signal }: Surroundings,
  onOutput: (text: string) => void = () => {},
): Promise<{ status: number | string; said: string }> {
  // What the session has set for its own Python is not for this one.
  const { PYTHONHOME: _, PYTHONPATH: __, ...others } = env
  return new Promise((resolve) => {
    const child = spawn(program, args, { env: others, stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', onOutput)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-10_000)
    })
    child.on('error', (error) => resolve({ status: error.message, said }))
    child.on('close', (code, stopped) => resolve({ status: code ?? stopped ?? 'ended', said }))
  })
}

/** Programs of that name on PATH, those of the environment itself last. */
async function programsNamed(name: string, { env, prefix }: Surroundings): Promise<string[]> {
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

/** As the XDG base directory specification has it. */
function dataFolder(env: Surroundings['env']): string {
  const given = env.XDG_DATA_HOME
  return join(given?.startsWith('/') ? given : join(env.HOME || homedir(), '.local/share'), 'conda-stage')
}

const isThere = (path: string, mode?: number): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  )

const lastLine = (text: string): string => text.trim().split('\n').at(-1) || 'it said nothing'
