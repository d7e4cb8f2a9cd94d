/** The documentation as a site. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')

test('npm run build:site makes a site of all pages, without a dead link; each page is in its list, and can be searched', () => {
  // A link that leads nowhere makes it fail.
  execFileSync('npm', ['run', 'build:site'], { cwd: ROOT, stdio: 'pipe', timeout: 300_000 })
  const first = readFileSync(join(ROOT, 'site/dist/index.html'), 'utf8')
  const pages = globSync('{docs/**/*,CHANGELOG,CONTRIBUTING}.md', { cwd: ROOT }).map((page) =>
    page.replace(/\.md$/, '.html'),
  )
  assert.ok(pages.length > 20, `${pages}`)
  for (const page of pages) {
    assert.ok(existsSync(join(ROOT, 'site/dist', page)), page)
    assert.ok(first.includes(`href="/${page}"`), `${page} is not in the list`)
  }
  // Made by TypeDoc, which fails for what is public and has no description that can be found.
  assert.match(
    readFileSync(join(ROOT, 'site/dist/api/functions/stage.html'), 'utf8'),
    /relocated copy of an environment/,
  )
  assert.ok(first.includes('href="/api/index.html"'))
  const [index] = globSync('site/dist/assets/chunks/@localSearchIndex*.js', { cwd: ROOT })
  assert.ok(readFileSync(join(ROOT, index!), 'utf8').includes('/docs/troubleshooting.html#archives'))
})
