import assert from 'node:assert/strict'
import { type ExecFileOptions, execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { ArchiveFormat } from '../../src/model/archive-index.ts'

/** Runs a program to its end, whether it succeeds or not. */
export function end(
  program: string,
  args: readonly string[],
  options: ExecFileOptions = {},
): Promise<{ status: number | string; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { maxBuffer: 1 << 26, ...options, encoding: 'utf8' }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : (error.code ?? String(error.signal)), stdout, stderr }),
    )
  })
}

/** Runs a program that has to succeed. Gives its standard output. */
export async function output(program: string, args: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await end(program, args, options)
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** Unpacks an archive with the usual tool for its format. */
export async function unpack(archive: string, format: ArchiveFormat, into: string): Promise<void> {
  mkdirSync(into, { recursive: true })
  if (format === 'zip') await output('unzip', ['-q', archive, '-d', into])
  else await output('tar', ['-xf', archive, '-C', into])
}

/** Everything below a folder, by path: mode, time in whole seconds and digest, or a link's target. */
export function tree(root: string): Map<string, string> {
  const found = new Map<string, string>()
  const visit = (path: string): void => {
    const facts = lstatSync(`${root}/${path}`)
    const mode = (facts.mode & 0o7777).toString(8)
    const seconds = Math.floor(facts.mtimeMs / 1000)
    if (facts.isSymbolicLink()) found.set(path, `-> ${readlinkSync(`${root}/${path}`)}`)
    else if (facts.isFile()) found.set(path, `${mode} ${seconds} ${digest(`${root}/${path}`)}`)
    else {
      found.set(path, `${mode} ${seconds} folder`)
      for (const name of readdirSync(`${root}/${path}`)) visit(path === '' ? name : `${path}/${name}`)
    }
  }
  visit('')
  return found
}

export const digest = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)
