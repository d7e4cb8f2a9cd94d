import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The licenses of the packages whose code is in the bundle: most of them want to go wherever that goes. */
export function licenses(root: string, sources: Iterable<string>): string {
  const packages = new Set([...sources].map((source) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(source)?.[0] ?? ''))
  packages.delete('')
  return [...packages]
    .sort()
    .map((folder) => licenseOf(join(root, folder)))
    .join('\n')
}

function licenseOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
  if (file === undefined) throw new Error(`${folder} has no license file (${license})`)
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
}
