/** The pages are those of the repository: docs/, README.md as the first, CHANGELOG.md and CONTRIBUTING.md. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** A page's first heading is its name. */
const page = (path) => ({
  text: /^# (.+)$/m.exec(readFileSync(join(root, path), 'utf8'))[1],
  link: `/${path.replace(/\.md$/, '')}`,
})
const group = (text, ...names) => ({ text, items: names.map((name) => page(`docs/${name}.md`)) })

/** What a program answers is in no language: its colours would be wrong. */
function withPlainSessions(markdown) {
  const { fence } = markdown.renderer.rules
  markdown.renderer.rules.fence = (tokens, at, ...rest) => {
    if (tokens[at].info === 'console') tokens[at].info = ''
    return fence(tokens, at, ...rest)
  }
}

export default defineConfig({
  title: 'conda-stage',
  description: 'Work from a copy of your conda environment on local disk',
  srcDir: root,
  srcExclude: ['**/node_modules/**', 'dist/**', 'release/**', 'bench/results/**', 'test/fixtures/**', 'site/**'],
  rewrites: { 'README.md': 'index.md' },
  outDir: join(root, 'site/dist'),
  cacheDir: join(root, 'site/node_modules/.cache'),
  // Links from page to page are checked by VitePress itself, and lead to an error. These are no pages.
  ignoreDeadLinks: [/LICENSE/, /bench\/results/],
  markdown: { config: withPlainSessions },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [
      {
        text: 'Quick start',
        items: [{ text: 'Install and use', link: '/' }, page('docs/installing.md'), page('docs/work-with-conda.md')],
      },
      group(
        'How to',
        'usage',
        'job-scripts',
        'nodes',
        'sharing',
        'auto-staging',
        'pixi',
        'virtual-environments',
        'shells',
        'configuration',
      ),
      group('From other programs', 'wrappers', 'recipes'),
      group('Other ways to stage', 'exec', 'mount', 'images', 'retire', 'conda-pack'),
      group('When something is wrong', 'troubleshooting', 'what-still-reaches-the-original', 'evidence'),
      group('For sites', 'administrators', 'security', 'reliability', 'performance', 'scale'),
      group('Background', 'comparison', 'architecture', 'archive-format'),
      {
        text: 'Developers',
        items: [
          { text: 'The library, for JavaScript', link: '/api/index.html', target: '_self' },
          ...[
            'CONTRIBUTING.md',
            'bench/README.md',
            'bench/slowfs/README.md',
            'test/shells/README.md',
            'CHANGELOG.md',
          ].map(page),
        ],
      },
    ],
  },
})
