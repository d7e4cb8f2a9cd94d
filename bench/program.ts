/** conda-stage as users have it: the bundled npm package, with the Node that it brings. */
import { cpSync, globSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { REPOSITORY, SLOW, TOP } from './layout.ts'
import { emptied, run } from './measure.ts'

export interface Program {
  /** Folder of the package. */
  root: string
  launcher: string
  node: string
}

/** Installed beside the environments, and outside of the slow file system. */
export interface Programs {
  slow: Program
  local: Program
}

/** Packs the working tree with npm, and lays out the package and its Node as `npm install` would. */
export function installProgram(): Programs {
  const folder = emptied(join(TOP, 'tarball'))
  // npm finds its own Node and its configuration through the variables of the session.
  run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: REPOSITORY,
    env: process.env as Record<string, string>,
  })
  const [tarball = ''] = globSync(join(folder, '*.tgz'))
  const programs = { slow: unpack(tarball, join(SLOW, 'program')), local: unpack(tarball, join(TOP, 'program')) }
  rmSync(folder, { recursive: true })
  return programs
}

function unpack(tarball: string, folder: string): Program {
  const modules = join(emptied(folder), 'node_modules')
  const root = emptied(join(modules, 'conda-stage'))
  run('tar', ['-C', root, '--strip-components=1', '--no-same-owner', '-xzf', tarball])
  const [node = ''] = globSync(join(REPOSITORY, 'node_modules/node-linux-*'))
  cpSync(node, join(modules, basename(node)), { recursive: true, verbatimSymlinks: true })
  return { root, launcher: join(root, 'bin/conda-stage'), node: join(modules, basename(node), 'bin/node') }
}

export const versionOf = (program: Program): string =>
  JSON.parse(readFileSync(join(program.root, 'package.json'), 'utf8')).version
