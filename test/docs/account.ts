/** A user's account on a cluster, as the pages describe it: their paths, below a folder of the test's. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { LAUNCHER } from '../auto-stage/auto-world.ts'
import { readyCache } from '../fixtures/cache.ts'
import { installEnvironment } from '../fixtures/environment.ts'
import { quoted as q } from '../shells/world.ts'
import { removeNote } from '../wrappers/world.ts'
import type { Command } from './document.ts'
import { type Done, typeIn } from './login.ts'

const STAND_IN = join(import.meta.dirname, '../shells/conda-stand-in')

/** What begins a path on the pages that is one of this account. */
const TOP = /(?<![\w/.~-])\/(?=(?:beegfs|home|project|scratch)\/)/g

/** What interactive shells say whose input is no terminal; they also repeat what they read (login.ts). */
const NO_TERMINAL = /^(?:bash: (?:cannot set terminal process group|no job control)|.*printf '\\036).*\n/gm

/** What --list says of a copy: the pages know no other folder of this machine. */
const COPY_OF_OTHERS = /^ {2}\/(?:tmp|var\/tmp|dev\/shm)\/conda-stage_.*\n(?: {4}.*\n)*/gm

export class Account implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'account-'))
  readonly #home = join(this.root, 'home/me')
  readonly #conda = join(this.root, 'beegfs/me/miniconda3')
  readonly #environment = join(this.#conda, 'envs/myjupyter')
  /** Runs tools of the tests. */
  readonly #python: string

  private constructor(python: string) {
    this.#python = python
  }

  /** With one environment, made and packed once for all pages. Its `jupyter` starts Python, and says no more than its version. */
  static async make(): Promise<Account> {
    const account = new Account((await readyCache('small')).python)
    try {
      await account.#fill()
      return account
    } catch (error) {
      account[Symbol.dispose]()
      throw error
    }
  }

  async #fill(): Promise<void> {
    const environment = this.#environment
    await installEnvironment(environment, { specs: ['python'], byHand: false, link: 'hardlink' })
    leaveOut(environment)
    const jupyter = `#!${environment}/bin/python\nimport json\nprint("jupyter_core     : 5.9.1")\n`
    writeFileSync(join(environment, 'bin/jupyter'), jupyter, { mode: 0o755 })
    for (const folder of [
      'home/me',
      'scratch/me',
      'software/bin',
      'etc/conda-stage',
      'beegfs/me/miniconda3/conda-meta',
    ])
      mkdirSync(join(this.root, folder), { recursive: true })
    writeFileSync(join(this.#conda, 'conda-meta/history'), '')
    symlinkSync(LAUNCHER, join(this.root, 'software/bin/conda-stage'))
    const shell = `PS1='$ '\n. ${q(`${STAND_IN}.sh`)}\neval "$(conda-stage --source)"\n`
    writeFileSync(join(this.root, 'bashrc'), shell)
    // Everything is on local disk here.
    writeFileSync(
      join(this.root, 'etc/conda-stage/config.yaml'),
      `local-folders: ['${this.root}/scratch/{user}']\nskip-local: false\n`,
    )
    execFileSync(LAUNCHER, ['--quiet', '--pack', `--prefix=${environment}`, `--output=${this.root}/archive.tar.zst`])
    this.clear()
  }

  /** Runs a page's commands behind `before`, which says nothing. */
  run(commands: readonly Command[], before: string): Done[] {
    const env = {
      ROOT: this.root,
      ENVIRONMENT: this.#environment,
      HOME: this.#home,
      USER: 'me',
      SHELL: '/bin/bash',
      TERM: 'dumb',
      PATH: `${this.root}/software/bin:/usr/local/bin:/usr/bin:/bin`,
      LANG: 'C.UTF-8',
      CONDA_STAGE_SITE_CONFIG: join(this.root, 'etc/conda-stage/config.yaml'),
      CONDA_ROOT_STAND_IN: this.#conda,
      CONDA_LOG_STAND_IN: join(this.root, 'conda.log'),
      CONDA_EXE_STAND_IN: `${STAND_IN}.ts`,
      NODE_STAND_IN: process.execPath,
      PYTHON_STAND_IN: this.#python,
      PIXI_STAND_IN: join(import.meta.dirname, '../pixi/pixi.py'),
    }
    const startup = `. ~/.bashrc\n{ :\n${before}\n} > "$ROOT/before" 2>&1`
    const here = commands.map((command) => ({ ...command, text: command.text.replaceAll(TOP, `${this.root}/`) }))
    const done = typeIn({ cwd: this.#home, env, startup }, here)
    return done.map(({ prompt, printed }, at) => {
      const shown = this.#asOnThePage(printed).replaceAll(NO_TERMINAL, '').replaceAll(COPY_OF_OTHERS, '')
      const next = done[at + 1]?.prompt ?? ''
      return {
        prompt: this.#asOnThePage(prompt),
        printed: shown.endsWith(`\n${next}`) ? shown.slice(0, -next.length || undefined) : shown,
      }
    })
  }

  #asOnThePage(text: string): string {
    return text
      .replaceAll(this.root, '')
      .replaceAll(dirname(dirname(LAUNCHER)), '/software/conda-stage')
      .replaceAll('fuse.slowfs', 'beegfs')
  }

  /** Takes away what a page has left. Nothing on the pages is to change the environment for good. */
  clear(): void {
    const kept = new Set(['beegfs', 'software', 'scratch', 'home', 'bashrc', 'etc', 'archive.tar.zst'])
    const left = [
      ...below(this.root).filter((path) => !kept.has(path.slice(this.root.length + 1))),
      ...below(join(this.root, 'beegfs/me')).filter((path) => path !== this.#conda),
      ...below(dirname(this.#environment)).filter((path) => path !== this.#environment),
      ...below(join(this.root, 'home')),
      ...below(join(this.root, 'scratch/me')),
    ]
    for (const path of left) remove(path)
    removeNote(this.#environment)
    mkdirSync(this.#home)
    copyFileSync(join(this.root, 'bashrc'), join(this.#home, '.bashrc'))
    copyFileSync(join(this.root, 'archive.tar.zst'), `${this.#environment}.tar.zst`)
  }

  [Symbol.dispose](): void {
    remove(this.root)
  }
}

/** What no session needs: three quarters of Python's files, so that each page takes a few seconds less. */
const NEEDLESS =
  /^(?:include|lib\/python[\d.]+\/(?:lib2to3|idlelib|distutils|asyncio|turtledemo|tkinter|unittest|xml|ctypes|multiprocessing|email|encodings\/(?:__pycache__\/)?[b-tv-z]\w))/

/** Removes it from the environment and from its records. */
function leaveOut(prefix: string): void {
  for (const record of globSync(`${prefix}/conda-meta/python-*.json`)) {
    const { files, paths_data, ...rest } = JSON.parse(readFileSync(record, 'utf8'))
    for (const path of files) if (NEEDLESS.test(path)) rmSync(join(prefix, path))
    const paths = paths_data.paths.filter(({ _path }: { _path: string }) => !NEEDLESS.test(_path))
    const kept = files.filter((path: string) => !NEEDLESS.test(path))
    writeFileSync(record, JSON.stringify({ ...rest, files: kept, paths_data: { ...paths_data, paths } }))
  }
}

const below = (folder: string): string[] => readdirSync(folder).map((name) => join(folder, name))

function remove(path: string): void {
  spawnSync('chmod', ['-R', 'u+rwX', path])
  rmSync(path, { recursive: true, force: true })
}
