/** Sessions in every shell in which an environment `my` is active and staged by hand, with the program that ships. */
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { AutoWorld, LAUNCHER } from '../auto-stage/auto-world.ts'
import { active, type TestShell } from '../shells/cases.ts'
import type { Conda, Run } from '../shells/world.ts'

/** Loads the shell function. */
export const hook = ({ dialect, quote }: TestShell): string => {
  const source = `${quote(LAUNCHER)} --source=${dialect}`
  if (dialect === 'fish') return `${source} | source`
  return dialect === 'tcsh' ? `eval "\`${source}\`"` : `eval "$(${source})"`
}

/** An environment `my` with a program `tool` that prints where it is run from. */
export class Session extends AutoWorld {
  readonly shell: TestShell

  constructor(shell: TestShell, parts: ConstructorParameters<typeof AutoWorld>[0] = {}, name = 'it') {
    super(parts, name)
    this.shell = shell
    this.world.write('conda/envs/my/bin/tool', '#!/bin/sh\necho "$0"\n')
    chmodSync(join(this.prefix, 'bin/tool'), 0o755)
  }

  /** Runs a script in which `stage` stages to the local folder. */
  script(script: string, env: Record<string, string> = active(this.prefix), conda: Conda | 'none' = 'none'): Run {
    const stage = `conda-stage --quiet --path=${this.shell.quote(this.local)}`
    return this.world.runWith(
      hook(this.shell),
      this.shell,
      conda,
      script.replaceAll(/(?<![-\w])stage(?=$|;| --)/gm, stage),
      env,
    )
  }

  isCopy(path: string | undefined, below = ''): boolean {
    return path?.startsWith(`${this.local}/conda-stage_`) === true && path.endsWith(`/my${below}`)
  }
}
