/** An environment with wrappers that count the calls of conda-stage. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { shortHash } from '../../src/model/digest.ts'
import { copiedWorld, LAUNCHER, startCommand, succeed, type World } from '../cli/world.ts'

/** Says what it got, and does what its first argument says. dash would lose variables. */
const TELL = `#!/bin/bash -p
case $1 in
  env) exec env -0 ;;
  read) exec cat ;;
  exit) exit 7 ;;
  call) set -- "$(bash -c "$2")" ;;
  wait) echo $$; exec sleep 60 ;;
esac
printf '%s\\n' "$0" "$@"
`

export interface Wrapped extends World {
  wrappers: string
  wrapper: string
  /** Where it is noted which copy there is. */
  note: string
  /** How often conda-stage itself has been started. */
  calls(): number
  start(args: readonly string[], env?: Record<string, string | undefined>): ReturnType<typeof startCommand>
}

/** An environment with the program `tell`, and its wrappers, which call conda-stage by a script that counts. */
export async function wrapped(context: TestContext, options: readonly string[] = []): Promise<Wrapped> {
  const world = await copiedWorld(context)
  writeFileSync(join(world.prefix, 'bin/tell'), TELL, { mode: 0o755 })
  const wrappers = join(world.root, 'with space')
  await succeed(world, [`--wrappers=${wrappers}`, `--prefix=${world.prefix}`, ...options])
  const wrapper = join(wrappers, 'bin/tell')
  const note = noteOf(world.prefix)
  context.after(() => removeNote(world.prefix))
  const [counter, log] = [join(world.root, 'counter'), join(world.root, 'calls')]
  writeFileSync(counter, `#!/bin/sh\necho >> '${log}'\nexec '${LAUNCHER}' "$@"\n`, { mode: 0o755 })
  writeFileSync(
    wrapper,
    readFileSync(wrapper, 'utf8').replace(`__cs_launcher='${LAUNCHER}'`, `__cs_launcher='${counter}'`),
  )
  const env = { CONDA_STAGE_PATH: world.local, CONDA_STAGE_SKIP_LOCAL: 'false' }
  return {
    ...world,
    env: { ...world.env, ...env },
    wrappers,
    wrapper,
    note,
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').length : 0),
    start: (args, more = {}) => startCommand(world, [wrapper, ...args], { env: { ...env, ...more } }),
  }
}

/** Of the environment at that path, which has no link in it. */
const noteOf = (prefix: string): string => join(`/tmp/conda-stage-notes-${process.getuid!()}`, shortHash(prefix))

export function removeNote(prefix: string): void {
  for (const file of [noteOf(prefix), `${noteOf(prefix)}.before`]) rmSync(file, { force: true })
}

export const copiesIn = ({ local }: World): string[] => readdirSync(local).filter((name) => !name.startsWith('.'))
