import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folder of the package: the nearest one above that has a package.json. The sources lie deeper than what ships. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(`${folder}/package.json`) && folder !== '/') folder = dirname(folder)
  return folder
}

/** From package.json: the one place where the version stands. */
export const programVersion = (): string => JSON.parse(readFileSync(`${packageRoot()}/package.json`, 'utf8')).version
