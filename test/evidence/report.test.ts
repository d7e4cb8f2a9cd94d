/** --report: the page as a reader sees it, in a real browser. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { proofText } from '../../src/cli/render/proof-text.ts'
import { type Report, reportPage } from '../../src/cli/render/report/page.ts'
import { temporaryFolder } from '../cli/world.ts'
import { nodeWith } from '../mount/world.ts'
import { browse } from './browser.ts'

const times = (real: number) => ({ real, user: real / 8, sys: real / 30 })
const side = (prefix: string, real: number) => ({
  prefix,
  first: times(real * 1.3),
  repeated: [times(real)],
  median: times(real),
})
const mount = (kind: 'local' | 'network' | 'kernel', fsType: string, mountPoint: string, lookUps: number) => ({
  kind,
  fsType,
  mountPoint,
  hasCopy: false,
  lookUps,
  notFound: lookUps >> 2,
})

/** With long names, large numbers, and a command that would like to be markup. */
const LONG: Report = {
  command: ['python', '-c', 'print("<script>alert(1)</script>")', 'x'.repeat(90)],
  versions: { 'conda-stage': '1.0.0', node: 'v26.10.0 (/a/long/path/of/an/installation/bin/node)', conda: '26.9.0' },
  written: '2026-11-27T10:00:00.000Z',
  machine: {
    host: 'node-with-a-long-name.cluster.example',
    platform: 'linux-x64',
    cpu: 'A processor with a very long name, 64-Core @ 2.45GHz',
    cores: 128,
    memory: 5e11,
    folders: ['environment', 'copies', 'home'].map((what) => ({
      what,
      path: `/gpfs/projects/a-group-of-many-people/${what}/envs/myjupyter`,
      fsType: 'gpfs',
      mountPoint: '/gpfs',
      isNetwork: true,
      lookUpMs: 2.34,
    })),
  },
  benchmark: {
    command: [],
    runs: 5,
    original: side('/gpfs/x', 123.4),
    copy: side('/scratch/x', 1.7),
    ratio: { first: 72.5, repeated: 72.5 },
    staging: { seconds: 1012.5, joined: false },
    startsToPay: 9,
    firstWasCold: true,
    pays: true,
    why: '',
  },
  proof: {
    command: [],
    status: 0,
    copy: '/scratch/x',
    original: '/gpfs/x',
    lookUps: 1_234_567,
    notFound: 400_000,
    unknown: 0,
    isBlind: false,
    lookUpsOfOriginal: 3,
    files: 30_000,
    touched: 2000,
    mounts: [
      mount('local', 'xfs', '/scratch/a-group-of-many-people', 1_200_000),
      mount('network', 'beegfs', '/beegfs/projects/a-group', 34_000),
      mount('kernel', 'proc', '/proc', 567),
    ],
    remaining: [
      {
        kind: 'home',
        why: 'a program looks for its settings or its cache in your home',
        remedy: 'MPLCONFIGDIR names another folder.',
        folder: `/home/me/${'very-long-name/'.repeat(9)}`,
        fsType: 'nfs4',
        mountPoint: '/home',
        examples: [],
        lookUps: 12,
        notFound: 3,
      },
    ],
  },
}

/** What is wrong with what can be seen: texts that overlap or are cut off, colours that are hard to tell apart, axes without names. */
const LOOK = `(() => {
  const wrong = []
  const seen = (element) => element.getClientRects().length > 0
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
    const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x)
    return (high + 0.05) / (low + 0.05)
  }
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor
      if (!/, 0\\)$|transparent/.test(colour)) return colour
    }
    return getComputedStyle(document.documentElement).backgroundColor
  }
  const svgs = [...document.querySelectorAll('svg')].filter(seen)
  if (svgs.length !== 3) wrong.push(svgs.length + ' pictures are shown')
  for (const svg of svgs) {
    const box = svg.getBoundingClientRect()
    const texts = [...svg.querySelectorAll('text')].map((text) => ({ text, is: text.textContent, at: text.getBoundingClientRect() }))
    if (!texts.some(({ is }) => /^(seconds|look-ups)$/.test(is))) wrong.push('an axis has no name: ' + svg.getAttribute('aria-label'))
    if (!(svg.getAttribute('aria-label') || '').length) wrong.push('a picture has no text')
    texts.forEach(({ text, is, at }, first) => {
      if (at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1) wrong.push('cut off: ' + is)
      if (parseFloat(getComputedStyle(text).fontSize) < 12 || at.height < 9) wrong.push('too small: ' + is)
      if (contrast(getComputedStyle(text).fill, behind(svg.parentElement)) < 4.5) wrong.push('hard to read: ' + is)
      for (const other of texts.slice(first + 1)) {
        const gap = Math.min(at.right, other.at.right) - Math.max(at.left, other.at.left)
        const rows = Math.min(at.bottom, other.at.bottom) - Math.max(at.top, other.at.top)
        if (gap > 0.5 && rows > 2.5) wrong.push('overlap: ' + is + ' and ' + other.is)
      }
    })
    const fills = new Set([...svg.querySelectorAll('path')].map((path) => path.getAttribute('fill')).filter((fill) => /series/.test(fill)))
    for (const fill of fills) {
      const probe = document.createElement('i')
      probe.style.color = fill
      document.body.append(probe)
      const colour = getComputedStyle(probe).color
      probe.remove()
      if (contrast(colour, behind(svg.parentElement)) < 2.5) wrong.push('hardly seen: ' + fill)
    }
  }
  for (const element of document.querySelectorAll('h1, h2, h3, p, li, td, th, figcaption, code, footer')) {
    const at = element.getBoundingClientRect()
    if (contrast(getComputedStyle(element).color, behind(element)) < 4.5) wrong.push('hard to read: ' + element.textContent)
    if (!element.closest('.scroll') && at.right > innerWidth) wrong.push('wider than the window: ' + element.textContent)
  }
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page is wider than the window')
  return wrong
})()`

const pageOf = (context: TestContext, report: Report): string => {
  const file = `${temporaryFolder(context)}/report.html`
  writeFileSync(file, reportPage(report))
  return `file://${file}`
}

test('the report is readable in a real browser, at a desk and on a phone, by day and by night', async (context) => {
  const tab = await browse(context, pageOf(context, LONG))
  for (const width of [1280, 390, 340])
    for (const scheme of ['light', 'dark'] as const) {
      await tab.show({ width, scheme })
      assert.deepEqual([width, scheme, ...(await tab.look<string[]>(LOOK))], [width, scheme])
    }
  const backgrounds: string[] = []
  for (const scheme of ['light', 'dark'] as const) {
    await tab.show({ width: 1280, scheme })
    backgrounds.push(await tab.look<string>('getComputedStyle(document.body).backgroundColor'))
  }
  assert.equal(new Set(backgrounds).size, 2)
})

/** Times and counts of all sizes in one picture, or none; names without a place to break. */
const EXTREMES: readonly Report[] = [
  {
    ...LONG,
    benchmark: {
      ...LONG.benchmark!,
      runs: 200,
      original: { ...side('/gpfs/x', 500), repeated: Array.from({ length: 200 }, () => times(500)) },
      copy: side('/scratch/x', 0.001),
      ratio: { first: 500_000, repeated: 500_000 },
      staging: { seconds: 0.01, joined: false },
      startsToPay: 1,
    },
    proof: {
      ...LONG.proof!,
      mounts: [
        mount('network', 'fuse.x'.repeat(8), `/</text><script>alert(1)</script>${'y'.repeat(200)}`, 987_654_321),
        mount('kernel', 'proc', '/proc', 1),
        ...Array.from({ length: 12 }, (_, n) => mount('local', 'xfs', `/mnt/disk ${n}/${'z'.repeat(40)}`, n)),
      ],
    },
  },
  {
    ...LONG,
    benchmark: {
      ...LONG.benchmark!,
      runs: 1,
      original: side('/gpfs/x', 0),
      copy: side('/scratch/x', 0),
      ratio: { first: 1, repeated: 1 },
      staging: { joined: true },
      startsToPay: null,
      firstWasCold: false,
      pays: false,
    },
    proof: { ...LONG.proof!, mounts: [mount('local', 'ext4', '/', 1)], remaining: [] },
  },
]

for (const [number, report] of EXTREMES.entries())
  test(`so it is with values that no picture was made for (${number + 1})`, async (context) => {
    const tab = await browse(context, pageOf(context, report))
    for (const width of [1280, 340]) {
      await tab.show({ width, scheme: 'light' })
      assert.deepEqual([width, ...(await tab.look<string[]>(LOOK))], [width])
    }
    assert.doesNotMatch(reportPage(report), /<script|NaN|Infinity|undefined/)
    assert.ok(reportPage(report).length < 500_000)
  })

test('the report needs nothing from elsewhere, and no name in it is markup', () => {
  const page = reportPage(LONG)
  assert.doesNotMatch(page, /<script|<link|<img|url\((?!["']?#)|@import|src=/)
  assert.deepEqual(
    [...page.matchAll(/https?:\/\/[^"'\s]+/g)].map(String).filter((each) => !each.includes('www.w3.org')),
    [],
  )
  assert.match(page, /print\(&#34;&#60;script&#62;/)
})

test('a few files of many are not shown as none', () => {
  for (const [touched, share] of [
    [12, 'less than 0.1%'],
    [15, '0.1%'],
    [0, '0.0%'],
  ] as const)
    assert.ok(
      proofText({ ...LONG.proof!, touched }, {}).includes(`30,000 files of the environment were looked at (${share})`),
    )
})

test('--report writes the page of a benchmark with the look-ups, or nothing', async (context) => {
  const node = await nodeWith(context)
  const file = `${node.env.HOME}/report.html`
  const args = [
    '--benchmark',
    '--runs=1',
    `--report=${file}`,
    '--',
    'sh',
    '-c',
    'cat "$CONDA_PREFIX/conda-meta/history"',
  ]
  const { status, stderr } = await node.exec(args)
  assert.equal(status, 0, stderr)
  const page = readFileSync(file, 'utf8')
  for (const says of [
    'How long it takes',
    'Where it looks for its files',
    'a look-up \\(ms\\)',
    'conda-meta/history',
    node.prefix,
  ])
    assert.match(page, new RegExp(says))
  const elsewhere = await node.exec(['--proof', '--json', '--report=/nowhere/report.html', '--', 'true'])
  assert.equal(JSON.parse(elsewhere.stdout).error.code, 'OUTPUT_LOST')
  assert.match(elsewhere.stderr, /The report can't be written to \/nowhere\/report\.html: there is no such folder/)
  const inside = await node.exec(['--benchmark', `--report=${node.prefix}/report.html`, '--', 'true'])
  assert.match(inside.stderr, /report\.html: that is inside the environment, which is never changed/)
  assert.deepEqual([inside.status, existsSync(`${node.prefix}/report.html`)], [1, false])
  const again = await node.exec(args)
  assert.equal(again.status, 0, again.stderr)
  writeFileSync(file, '<p>my thesis')
  const mine = await node.exec(args)
  assert.match(mine.stderr, /report\.html: it is there already, and is not a report of conda-stage/)
  assert.deepEqual([mine.status, readFileSync(file, 'utf8')], [1, '<p>my thesis'])
  const wrong = await node.exec(['--proof', `--report=${node.env.HOME}/thesis.txt`, '--', 'true'])
  assert.equal(wrong.status, 2)
  assert.equal(existsSync(`${node.env.HOME}/thesis.txt`), false)
})
