import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'

/** A new folder that is taken away when the test ends. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'conda-stage-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A small environment `ROOT/env` with what every environment has, and `files` (path: content). */
export async function makePrefix(t: TestContext, files: Record<string, string> = {}): Promise<string> {
  const prefix = join(await temporaryFolder(t), 'env')
  const usual = {
    'conda-meta/history': '==> 2026-11-22 <==\n',
    'bin/python3': '#!/bin/sh\n',
    'lib/libgreet.so': '\x7fELF',
    'lib/python3.11/os.py': '',
    'lib/python3.11/site-packages/single.py': 'x = 1\n',
    'lib/python3.11/site-packages/package/__init__.py': '',
    'etc/conda/activate.d/greet.sh': 'export GREETING=hello\n',
    'share/doc/readme': 'read me\n',
  }
  for (const [path, content] of Object.entries({ ...usual, ...files })) await put(prefix, path, content)
  return prefix
}

export async function put(prefix: string, path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(join(prefix, path)), { recursive: true })
  await writeFile(join(prefix, path), content)
}

/** Nothing is excluded. */
export const NONE = (): boolean => false
