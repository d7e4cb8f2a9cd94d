/** A virtual environment `proj/.venv` in a home of its own, and a local folder. */
import { mkdirSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { temporaryFolder, type World } from '../cli/world.ts'
import { type Maker, makeVenv } from '../fixtures/virtual-environments.ts'

export async function venvWorld(
  context: TestContext,
  maker: Maker,
  options: Parameters<typeof makeVenv>[2] & { at?: string } = {},
): Promise<World> {
  const root = temporaryFolder(context)
  const prefix = `${root}/${options.at ?? 'home/me/some/where/proj/.venv'}`
  await makeVenv(prefix, maker, options)
  mkdirSync(`${root}/local`)
  const env = {
    HOME: `${root}/home/me`,
    XDG_CACHE_HOME: `${root}/cache`,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
  }
  return { root, prefix, name: '.venv', archive: '', local: `${root}/local`, env }
}

/** As `bin/activate` leaves a session. */
export const active = ({ prefix, env }: World): Record<string, string> => ({
  VIRTUAL_ENV: prefix,
  VIRTUAL_ENV_PROMPT: '.venv',
  PATH: `${prefix}/bin:${env.PATH}`,
})
