/**
 * Writes the version of package.json into the recipes and pages that name it. `npm version 1.0.0 --no-git-tag-version` calls it.
 * Test: test/release/recipes.test.ts
 */
import { globSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FILES = ['README.md', 'docs/*.md', 'packaging/{conda,easybuild}/*', 'packaging/spack/**/*.py']

/** What names our version has this before it. A page may also name versions of other programs. */
const ours = (version: string): RegExp =>
  new RegExp(
    `(?<=conda-stage[-/ ]|^ *version: |^version = '|\\bversion\\("|/modules/conda-stage/)${version.replaceAll('.', '\\.')}(?![.\\d]*\\d)`,
    'gm',
  )

/** The files of a checkout that name a version of ours. */
export const filesThatName = (version: string, root: string): string[] =>
  globSync(FILES, { cwd: root })
    .filter((file) => ours(version).test(readFileSync(join(root, file), 'utf8')))
    .sort()

/** Puts a new version in place of the old one. */
export function setVersion(from: string, to: string, root: string): void {
  for (const file of filesThatName(from, root)) {
    const path = join(root, file)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(ours(from), to))
    // An easyconfig has it in its name, too.
    renameSync(path, join(root, file.replace(`conda-stage-${from}.`, `conda-stage-${to}.`)))
  }
}

if (import.meta.main) {
  const { npm_old_version: from, npm_new_version: to } = process.env
  if (!from || !to) throw new Error('Run it as: npm version VERSION --no-git-tag-version')
  setVersion(from, to, join(import.meta.dirname, '..'))
}
