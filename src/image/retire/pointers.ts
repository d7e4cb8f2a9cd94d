import { dirname, join } from 'node:path'
import type { Variables } from '../../platform/job.ts'
import { readSmall } from '../../platform/read-small.ts'
import { readdir } from '../../platform/remote-fs.ts'
import { dependentsOf } from '../../stage/dependents.ts'

/** Environments beside it that are looked into. */
const MOST = 200
const MOST_BYTES = 64 * 1024

/**
 * What points into an environment from outside and stops working with it, as far as it is cheap to find: virtual environments and
 * Jupyter kernels (as for copies), and packages of the environments beside it.
 */
export async function pointersInto(prefix: string, { env, cwd }: { env: Variables; cwd: string }): Promise<string[]> {
  const found = (await dependentsOf(prefix, { env, cwd })).map(({ kind, path }) => `the ${kind} ${path}`)
  const beside = dirname(prefix)
  const names = await readdir(beside).catch(() => [])
  for (const name of names.slice(0, MOST)) {
    const other = join(beside, name)
    if (other !== prefix) found.push(...(await linksIn(other, prefix)))
  }
  return found
}

/** Files of one environment by which its Python finds packages elsewhere. */
async function linksIn(other: string, prefix: string): Promise<string[]> {
  const pythons = (await readdir(join(other, 'lib')).catch(() => [])).filter((name) => /^python\d/.test(name))
  const found: string[] = []
  for (const python of pythons) {
    const folder = join(other, 'lib', python, 'site-packages')
    const names = (await readdir(folder).catch(() => [])).filter((name) => POINTERS.test(name))
    for (const name of names) {
      const text = await readSmall(join(folder, name), MOST_BYTES).then(String, () => '')
      if (text.includes(`${prefix}/`)) found.push(join(folder, name))
    }
  }
  return found
}

const POINTERS = /\.(?:pth|egg-link)$|^__editable__.*\.py$/
