/** The pages lead their readers to places that exist. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const PAGES = globSync('{*,docs/**/*,bench/**/*,test/**/*}.md', { cwd: ROOT })

test('every link on a page leads to a file and a heading that exist', () => {
  const broken = PAGES.flatMap((page) =>
    linksOf(page)
      .filter((link) => !leadsSomewhere(page, link))
      .map((link) => `${page}: ${link}`),
  )
  assert.deepEqual(broken, [])
})

test('every file and folder of the repository that a page names exists', () => {
  const named = (page: string) => [...textOf(page).matchAll(/`((?:src|test|docs|bench|scripts)\/[^`\s]*)`/g)]
  const missing = PAGES.flatMap((page) =>
    named(page).flatMap(([, path]) => (existsSync(join(ROOT, path!)) ? [] : [`${page}: ${path}`])),
  )
  assert.deepEqual(missing, [])
})

test('README leads to every page of docs/', () => {
  const pages = PAGES.filter((page) => page.startsWith('docs/'))
  const linked = new Set(linksOf('README.md').map((link) => link.replace(/#.*/, '')))
  assert.deepEqual(
    pages.filter((page) => !linked.has(page)),
    [],
  )
})

const textOf = (page: string): string => readFileSync(join(ROOT, page), 'utf8')

/** Without blocks of code, whose brackets are no links and whose comments are no headings. */
const proseOf = (page: string): string => textOf(page).replaceAll(/^```[\s\S]*?^```$/gm, '')

/** Links to other sites are left out. */
const linksOf = (page: string): string[] =>
  [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!).filter((link) => !/^[a-z]+:/.test(link))

function leadsSomewhere(page: string, link: string): boolean {
  const [path, heading] = link.split('#') as [string, string?]
  const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path))
  return existsSync(join(ROOT, target)) && (heading === undefined || headingsOf(target).includes(heading))
}

/** As GitHub names them in links. */
const headingsOf = (page: string): string[] =>
  [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
