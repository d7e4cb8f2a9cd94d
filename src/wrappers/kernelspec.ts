import { basename, join } from 'node:path'

/** By this a kernelspec is known as one of ours: a key of its `metadata`. */
const KERNEL_MARK = 'conda-stage'

/**
 * A Jupyter kernelspec whose kernel starts by a wrapper. All else is as in the environment's own: arguments, language, variables.
 * The format: https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs
 *
 * @param text of the environment's kernel.json
 * @param name of the environment, for the list of kernels
 * @param folder of the wrappers
 * @returns undefined if that text is no kernelspec; and the program whose wrapper it needs
 */
export function wrappedKernelspec(
  text: string,
  { name, folder, original }: { name: string; folder: string; original: string },
): { text: string; program: string } | undefined {
  const spec = parsed(text)
  if (spec === undefined) return undefined
  const [first, ...rest] = spec.argv
  const program = basename(first)
  const argv = [join(folder, 'bin', program), ...rest]
  const metadata = { ...(spec.metadata as object), [KERNEL_MARK]: { original } }
  const wrapped = { ...spec, argv, display_name: `${spec.display_name} (${name}*)`, metadata }
  return { text: `${JSON.stringify(wrapped, null, 1)}\n`, program }
}

interface Spec {
  argv: [string, ...string[]]
  display_name: string
  metadata?: unknown
}

function parsed(text: string): Spec | undefined {
  try {
    const { argv, display_name, ...rest } = JSON.parse(text) as Partial<Spec>
    const isSpec = Array.isArray(argv) && argv.length > 0 && argv.every((each) => typeof each === 'string')
    return isSpec && typeof display_name === 'string'
      ? { ...rest, argv: argv as Spec['argv'], display_name }
      : undefined
  } catch {
    return undefined
  }
}

/** Whether a kernelspec was written by us. */
export const isWrappedKernelspec = (text: string): boolean =>
  Object.hasOwn((parsed(text)?.metadata ?? {}) as object, KERNEL_MARK)
