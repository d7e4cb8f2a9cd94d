import { dirname, join, resolve } from 'node:path'
import { StageError } from '../errors.ts'
import { uniqueName } from '../leases/names.ts'
import { errnoOf, meaningOf } from '../platform/errno.ts'
import { homeOf } from '../platform/home.ts'
import { isInside } from '../platform/inside.ts'
import { makeFolders } from '../platform/make-folders.ts'
import { readSmall } from '../platform/read-small.ts'
import { open, readdir, rename, stat, unlink } from '../platform/remote-fs.ts'
import { isWrappedKernelspec, wrappedKernelspec } from '../wrappers/kernelspec.ts'
import { packageFolders } from '../wrappers/package-folders.ts'
import { WRAPPER_LINE, type WrapperFacts, wrapper } from '../wrappers/wrapper.ts'
import type { WrappersOptions, WrappersResult } from './options.ts'
import { fillIn, originalOf } from './original.ts'

type Options = ReturnType<typeof fillIn<WrappersOptions>>

/** They change the environment that they run from, and must run from the original. */
const CHANGING = /^(?:(?:de)?activate|conda|mamba|micromamba|pixi|uv|pip[\d.]*|conda-.*|easy_install.*)$/
/** Bytes. */
const MOST = 1024 * 1024

/**
 * Writes small programs that start those of an environment from its copy on the node where they run. The environment is only read.
 * @throws StageError; then what was there is as it was, up to the programs that are written already
 */
export async function writeWrappers(given: WrappersOptions): Promise<WrappersResult> {
  const options = fillIn(given)
  const environment = await originalOf(options)
  const { prefix, real, name } = environment
  const folder = resolve(options.cwd, options.folder)
  await assertOutside(folder, prefix, real)
  const kernels = options.kernelspec === undefined ? [] : await kernelsOf(prefix, { ...options, name, folder })
  const programs = await programsOf(prefix, options)
  const wanted = [...new Set([...programs, ...kernels.map(({ program }) => program)])].sort()
  const facts: WrapperFacts = { prefix, real, folders: await packageFolders(prefix), launcher: options.launcher }
  for (const program of wanted) await assertOurs(join(folder, 'bin', program), (text) => text.includes(WRAPPER_LINE))
  for (const { to } of kernels) await assertOurs(join(to, 'kernel.json'), isWrappedKernelspec)
  for (const program of wanted) await put(join(folder, 'bin', program), wrapper(program, facts), 0o755)
  for (const { to, text, from, pictures } of kernels) {
    for (const picture of pictures) await put(join(to, picture), await readSmall(join(from, picture), MOST), 0o644)
    await put(join(to, 'kernel.json'), text, 0o644)
  }
  return { original: prefix, folder, programs: wanted, kernelspecs: kernels.map(({ to }) => to) }
}

/** The original is never written. */
async function assertOutside(folder: string, prefix: string, real: string): Promise<void> {
  if (!(await isInside(folder, [prefix, real]))) return
  throw new StageError('USAGE', `${folder} is inside the environment ${prefix}, which is never changed`, {
    path: folder,
    hint: 'Name a folder outside of it, such as ~/wrappers/NAME.',
  })
}

/** Those that were asked for, else all that are in the environment and change nothing. */
async function programsOf(prefix: string, { programs }: Options): Promise<string[]> {
  if (programs === undefined) {
    const names = await readdir(`${prefix}/bin`).catch(() => [])
    const areThere = await Promise.all(names.map((name) => isProgram(`${prefix}/bin/${name}`)))
    return names.filter((name, at) => areThere[at] && !CHANGING.test(name) && !name.includes('\n'))
  }
  for (const name of programs) {
    const path = `${prefix}/bin/${name}`
    if (CHANGING.test(name))
      throw new StageError('USAGE', `${name} changes the environment, so it has to run from the original`, {
        hint: `Call ${path} itself.`,
      })
    if (name.includes('/') || !(await isProgram(path)))
      throw new StageError('USAGE', `There is no program ${path}`, { path, hint: `Look into ${prefix}/bin.` })
  }
  return [...programs]
}

const isProgram = (path: string): Promise<boolean> =>
  stat(path).then(
    (facts) => facts.isFile() && (facts.mode & 0o111) !== 0,
    () => false,
  )

interface Kernel {
  from: string
  to: string
  text: string
  program: string
  pictures: string[]
}

/** The environment's kernelspecs, as they are to stand among the user's own. */
async function kernelsOf(prefix: string, options: Options & { name: string; folder: string }): Promise<Kernel[]> {
  const { name, folder, kernelspec } = options
  const place = `${prefix}/share/jupyter/kernels`
  const found: Kernel[] = []
  for (const kernel of (await readdir(place).catch(() => [])).sort()) {
    const from = join(place, kernel)
    const text = await readSmall(join(from, 'kernel.json'), MOST).catch(() => undefined)
    const wrapped = text && wrappedKernelspec(String(text), { name, folder, original: prefix })
    if (!wrapped || !(await isProgram(`${prefix}/bin/${wrapped.program}`))) continue
    const pictures = (await readdir(from)).filter((file) => /^logo[\w.-]*\.(?:png|svg)$/.test(file))
    found.push({ ...wrapped, from, to: '', pictures: pictures.filter((file) => !file.includes('/')) })
    found.at(-1)!.to = join(kernelsFolder(options), kernelName(kernelspec || name, found.length === 1 ? '' : kernel))
  }
  if (found.length > 0) return found
  throw new StageError('NO_PROGRAM', `${place} has no kernelspec whose program is in the environment`, {
    path: place,
    hint: 'Install a kernel into the environment first: conda install ipykernel',
  })
}

/** Jupyter allows letters, digits, `-`, `_` and `.` in the names of kernels. */
const kernelName = (name: string, kernel: string): string =>
  [name, kernel]
    .filter(Boolean)
    .join('-')
    .replaceAll(/[^\w.-]/g, '-')
    .toLowerCase()

/** Of the user: https://docs.jupyter.org/en/stable/use/jupyter-directories.html#data-files */
function kernelsFolder({ env }: Options): string {
  const data = env.JUPYTER_DATA_DIR || join(env.XDG_DATA_HOME || join(homeOf(env), '.local/share'), 'jupyter')
  return join(data, 'kernels')
}

/** Whether nothing stands there, or what we wrote. */
async function assertOurs(path: string, isOurs: (text: string) => boolean): Promise<void> {
  const facts = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw unwritable(path, error)
  })
  if (facts === undefined) return
  const text = await readSmall(path, MOST).catch(() => undefined)
  if (text !== undefined && isOurs(String(text))) return
  throw new StageError('TARGET_UNSAFE', `${path} is there already, and was not written by conda-stage --wrappers`, {
    path,
    hint: 'Move it away, or name another folder.',
  })
}

/** Whoever starts it at this moment gets the old one or the new one. */
async function put(path: string, content: string | Buffer, mode: number): Promise<void> {
  const aside = `${dirname(path)}/.${uniqueName()}.new`
  try {
    await makeFolders(dirname(path))
    const handle = await open(aside, 'wx', mode)
    try {
      await handle.writeFile(content)
    } finally {
      await handle.close()
    }
    await rename(aside, path)
  } catch (error) {
    await unlink(aside).catch(() => {})
    throw unwritable(path, error)
  }
}

function unwritable(path: string, error: unknown): unknown {
  const errno = errnoOf(error)
  if (errno === undefined) return error
  return new StageError('OUTPUT_LOST', `${path} can't be written: ${meaningOf(errno)}`, {
    path,
    hint: 'Name a folder in which you may write: --wrappers=DIR',
    cause: error,
  })
}
