/** A release made from the sources, once for each file of tests. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { manPage } from '../../scripts/man-page.ts'
import type { Arch } from '../../scripts/release.ts'
import { built } from '../fixtures/installed.ts'
import { UNPRIVILEGED } from '../platform/as-ordinary-user.ts'

/** What a release is made from, quickly. */
export async function parts(): Promise<{ out: string; what: { arch: Arch; dist: string; level: number } }> {
  const out = mkdtempSync(join(tmpdir(), 'release test-'))
  process.once('exit', () => rmSync(out, { recursive: true, force: true }))
  await built(join(out, 'dist'))
  writeFileSync(join(out, 'dist/conda-stage.1'), manPage())
  return { out, what: { arch: process.arch as Arch, dist: join(out, 'dist'), level: 1 } }
}

interface Done {
  status: number | null
  stdout: string
  stderr: string
}

/** As an ordinary user with these variables and no others. PATH is the shell's own, in which there is no Node of ours. */
export function bare(command: readonly string[], env: Record<string, string> = {}): Done {
  const all = [
    ...UNPRIVILEGED,
    'env',
    '-i',
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...command,
  ]
  const { status, stdout, stderr, error } = spawnSync(all[0]!, all.slice(1), { encoding: 'utf8', timeout: 60_000 })
  if (error !== undefined) throw error
  return { status, stdout, stderr }
}

/** The same, for what has to succeed. Returns what it printed. */
export function printed(command: readonly string[], env: Record<string, string> = {}): string {
  const done = bare(command, env)
  assert.equal(done.status, 0, `${command.join(' ')}: ${JSON.stringify(done, null, 2)}`)
  return done.stdout
}
