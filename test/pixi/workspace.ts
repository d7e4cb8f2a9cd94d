/** A workspace of pixi with a small real environment, and a stand-in of pixi (pixi.py). */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { LAUNCHER } from '../cli/world.ts'
import { readyCache } from '../fixtures/cache.ts'
import { smallEnvironment } from '../fixtures/environment.ts'

/** Those that pixi opens. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** pixi's code for bash is also one for sh. */
export type PixiShell = (typeof SHELLS)[number] | 'sh'

const ARGV: Record<PixiShell, string[]> = {
  bash: ['bash', '--norc'],
  zsh: ['zsh', '--no-rcs'],
  fish: ['fish', '--no-config'],
  sh: ['dash'],
}

export interface Workspace {
  root: string
  /** The workspace's folder. */
  project: string
  prefix: string
  /** For copies. */
  local: string
  env: Record<string, string>
}

export interface WorkspaceOptions {
  /** Name of the environment. */
  environment?: string
  /** Below the home folder: the folder of detached environments. */
  detached?: string
  /** The lines of pixi.toml behind its first table. */
  manifest?: string
}

/** The home's startup files load the shell function. */
export async function workspace(
  context: TestContext,
  { environment = 'default', detached, manifest = '' }: WorkspaceOptions = {},
): Promise<Workspace> {
  const root = mkdtempSync(join(tmpdir(), 'pixi-'))
  context.after(() => {
    spawnSync('chmod', ['-R', 'u+rwX', root])
    rmSync(root, { recursive: true })
  })
  const home = join(root, 'home/me')
  const project = join(home, 'my-project')
  const [local, bin] = [join(root, 'l'), join(root, 'bin')]
  for (const folder of [join(project, '.pixi'), local, bin]) mkdirSync(folder, { recursive: true })
  const place = detached === undefined ? join(project, '.pixi') : join(home, detached)
  const prefix = join(place, 'envs', environment)
  await smallEnvironment(prefix, { byHand: false, variables: { GREETING: 'hello' } })
  if (detached !== undefined) symlinkSync(join(place, 'envs'), join(project, '.pixi/envs'))
  writeFileSync(join(place, '.gitignore'), '*\n!config.toml\n')
  writeFileSync(join(project, 'pixi.toml'), `[workspace]\nname = "my-project"\n\n${manifest}`)
  markAsOfPixi(prefix, join(project, 'pixi.toml'), environment)
  const { python } = await readyCache('small')
  const standIn = join(import.meta.dirname, 'pixi.py')
  writeFileSync(join(bin, 'pixi'), `#!/bin/sh\nexec ${python} -B ${standIn} "$@"\n`, { mode: 0o755 })
  symlinkSync(LAUNCHER, join(bin, 'conda-stage'))
  for (const name of ['.bashrc', '.zshrc']) writeFileSync(join(home, name), 'eval "$(conda-stage --source)"\n')
  const env = {
    HOME: home,
    XDG_CACHE_HOME: join(root, 'cache'),
    XDG_DATA_HOME: join(root, 'data'),
    PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    CONDA_STAGE_PATH: local,
    CONDA_STAGE_SKIP_LOCAL: 'false',
    ...(detached !== undefined && { PIXI_DETACHED: place }),
  }
  return { root, project, prefix, local, env }
}

/** What `pixi install` leaves in conda-meta: crates/pixi_core/src/environment/{mod,conda_metadata}.rs. */
function markAsOfPixi(prefix: string, manifest_path: string, environment_name: string): void {
  const file = { manifest_path, environment_name, pixi_version: '0.77.0', environment_lock_file_hash: 'f00' }
  const meta = join(prefix, 'conda-meta')
  writeFileSync(join(meta, 'pixi'), JSON.stringify(file))
  writeFileSync(join(meta, 'pixi_env_prefix'), meta)
  writeFileSync(join(meta, 'history'), '// not relevant for pixi but for `conda run -p`')
  writeFileSync(join(meta, '.pixi-environment-fingerprint'), '0123456789abcdef')
}

export interface Printed {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs a script in a shell in the workspace. */
export const script = (world: Workspace, shell: PixiShell, text: string): Printed =>
  runIn(world, [...ARGV[shell], '-c', text])

/** Runs a program in the workspace. */
export function runIn({ project, env }: Workspace, command: string[], input = ''): Printed {
  const { status, stdout, stderr, error } = spawnSync(command[0]!, command.slice(1), {
    encoding: 'utf8',
    cwd: project,
    env,
    input,
    timeout: 60_000,
  })
  if (error) throw error
  return { status, stdout, stderr }
}
