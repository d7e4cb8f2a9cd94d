import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's folder: the nearest parent with a package.json, because the sources lie deeper than the shipped files. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(`${folder}/package.json`) && folder !== '/') folder = dirname(folder)
  return folder
}

/** From package.json, the one place that states the version. */
export const programVersion = (): string => JSON.parse(readFileSync(`${packageRoot()}/package.json`, 'utf8')).version
