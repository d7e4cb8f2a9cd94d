/** Sessions in which an environment `my` may be staged automatically, by the program as it ships. */
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { installed } from '../fixtures/installed.ts'
import { type Conda, type EnvironmentParts, quoted as q, type Run, SHELLS, type Shell, World } from '../shells/world.ts'

/** A session starts the program several times. */
export const LAUNCHER = await installed()
export const SAYS = "Auto staging conda environment 'my'. To disable, call 'conda-stage --auto-stage=disable'\n"
export const [BASH] = SHELLS as [Shell]

type AnyShell = Parameters<World['run']>[0]

export class AutoWorld implements Disposable {
  readonly world: World
  /** The original, with a program `place` that prints the prefix, and `naps`, which sleeps. */
  readonly prefix: string
  readonly local: string

  constructor(parts: EnvironmentParts = {}, name?: string) {
    this.world = new World(name)
    this.prefix = this.world.environment('my', parts)
    this.world.environment('other')
    this.local = join(this.world.root, 'local')
    this.world.write('conda/envs/my/bin/place', `#!/bin/sh\necho '${this.prefix}'\n`)
    chmodSync(join(this.prefix, 'bin/place'), 0o755)
    copyFileSync('/bin/sleep', join(this.prefix, 'bin/naps'))
    this.world.write('local/.keep', '')
  }

  /** Runs a script in which only conda is loaded. */
  run(shell: AnyShell, conda: Conda | 'none', script: string, env: Record<string, string> = {}): Run {
    return this.world.runWith('', shell, conda, script, env)
  }

  /** Calls the program. */
  call(args: readonly string[], env: Record<string, string> = {}): Run {
    return this.run(BASH, 'none', [LAUNCHER, ...args].map(q).join(' '), env)
  }

  configure(what: 'enable' | 'disable', args: readonly string[] = [], env: Record<string, string> = {}): void {
    const run = this.call([`--auto-stage=${what}`, `--prefix=${this.prefix}`, `--path=${this.local}`, ...args], env)
    assert.equal(run.status, 0, run.stderr)
  }

  stages(): string[] {
    return readdirSync(this.local).filter((name) => name !== '.keep')
  }

  /** Waits until no copy is left; fails after 30 seconds. */
  async gone(): Promise<void> {
    for (let waited = 0; this.stages().length > 0; waited += 100) {
      assert.ok(waited < 30_000, `still there: ${this.stages()}`)
      await pause(100)
    }
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]()
  }
}
