/** A cluster user's account, with conda, conda-stage, scratch disks, Slurm and a channel of the tests' packages. */
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
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
import { type Cache, readyCache } from '../fixtures/cache.ts'
import type { Slurm } from '../jobs/slurm.ts'
import { type Conda, quoted as q } from '../shells/world.ts'
import type { Command, Page } from './document.ts'
import { type Done, typeIn } from './login.ts'

const STAND_IN = join(import.meta.dirname, '../shells/conda-stand-in')

export class Home implements Disposable {
  // Long enough for a copy's path to be as long as its original's.
  readonly #root = mkdtempSync(join(tmpdir(), 'work-with-conda-'))
  readonly #home = join(this.#root, 'home/me')
  readonly #slurm: Slurm

  constructor(conda: Conda, slurm: Slurm, cache: Cache) {
    this.#slurm = slurm
    for (const folder of ['bin', 'miniconda3/bin', 'miniconda3/condabin', 'miniconda3/conda-meta', 'miniconda3/envs'])
      mkdirSync(join(this.#home, folder), { recursive: true })
    mkdirSync(join(this.#root, 's/me'), { recursive: true })
    symlinkSync(LAUNCHER, join(this.#home, 'bin/conda-stage'))
    this.#write('miniconda3/conda-meta/history', '')
    this.#write('.bash_profile', 'PATH=~/bin:$PATH\n. ~/.bashrc\n') // /etc/profile may have reset PATH
    this.#write('.bashrc', `PS1='$ '\n${conda === 'real' ? this.#realConda() : this.#standIn(cache)}`)
    // Everything is on local disk here. Without this setting, jobs would use the original as it is.
    const folders = `[${JSON.stringify(`${slurm.jobFolders}/{job}`)}, ${JSON.stringify(join(this.#root, 's/{user}'))}]`
    this.#write('../site.yaml', `local-folders: ${folders}\nskip-local: false\n`)
    writeChannel(join(this.#root, 'channels/conda-forge'), cache.channels)
  }

  writeFiles({ files }: Page): void {
    for (const [name, text] of files) {
      appendFileSync(join(this.#home, name.replace(/^~\//, '')), text)
    }
  }

  /** Runs the commands in one login after the other; `exit` ends a login. */
  run(commands: readonly Command[]): Done[] {
    const env = {
      HOME: this.#home,
      USER: 'me',
      PATH: `${this.#home}/bin:/usr/local/bin:/usr/bin:/bin`,
      LANG: 'C.UTF-8',
      SLURM_CONF: this.#slurm.config,
      CONDA_STAGE_SITE_CONFIG: join(this.#root, 'home/site.yaml'),
    }
    const done = typeIn({ cwd: this.#home, env, startup: '. ~/.bash_profile' }, commands)
    return done.map(({ prompt, printed }) => ({ prompt, printed: this.#asOnThePage(printed) }))
  }

  /** Copies that nobody has removed. */
  copies(): string[] {
    return [join(this.#root, 's/me'), this.#slurm.jobFolders].flatMap((folder) => readdirSync(folder))
  }

  #asOnThePage(text: string): string {
    return text
      .replaceAll(this.#home, '/home/me')
      .replaceAll(join(this.#root, 's'), '/scratch')
      .replaceAll(this.#slurm.jobFolders, '/local')
  }

  #standIn(cache: Cache): string {
    const program = join(this.#home, 'miniconda3/condabin/conda')
    const python = join(import.meta.dirname, 'conda_stand_in.py')
    writeFileSync(program, `#!/bin/sh\nexec ${q(cache.python)} -B ${q(python)} "$@"\n`)
    chmodSync(program, 0o755)
    return `export CONDA_ROOT_STAND_IN=~/miniconda3 CONDA_LOG_STAND_IN=~/.conda.log CHANNELS_STAND_IN=${q(join(this.#root, 'channels'))}
      export CONDA_EXE_STAND_IN=${q(`${STAND_IN}.ts`)} NODE_STAND_IN=${q(process.execPath)} PATH=${q(dirname(program))}:$PATH
      . ${q(`${STAND_IN}.sh`)}
      grep -qs 'auto_activate: false' ~/.condarc || conda activate base\n`
  }

  /** A conda installed by pip refuses to run as a program, but runs as a module. */
  #realConda(): string {
    const python = q(process.env.CONDA_STAGE_TEST_CONDA!)
    return `export CONDA_ROOT_PREFIX=~/miniconda3 CONDA_CHANNEL_ALIAS=${q(`file://${this.#root}/channels`)}
      export CONDA_CHANNELS=conda-forge CONDA_SOLVER=rattler
      eval "$(${python} -m conda shell.posix hook)"
      __conda_exe() ( ${python} -m conda "$@" )\n`
  }

  #write(path: string, text: string): void {
    writeFileSync(join(this.#home, path), text)
  }

  [Symbol.dispose](): void {
    spawnSync('chmod', ['-R', 'u+rwX', this.#root])
    rmSync(this.#root, { recursive: true })
  }
}

export async function homeFor(conda: Conda, slurm: Slurm): Promise<Home> {
  return new Home(conda, slurm, await readyCache('real'))
}

/** Makes one channel of several. */
function writeChannel(target: string, channels: readonly string[]): void {
  for (const subdir of new Set(
    channels.flatMap((channel) => readdirSync(channel)).filter((name) => !name.startsWith('.')),
  )) {
    mkdirSync(join(target, subdir), { recursive: true })
    const folders = channels.map((channel) => join(channel, subdir))
    const packages = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    for (const path of packages.filter((path) => path.endsWith('.conda')))
      symlinkSync(path, join(target, subdir, path.slice(path.lastIndexOf('/') + 1)))
    const indexes = folders.map((folder) => JSON.parse(readFileSync(join(folder, 'repodata.json'), 'utf8')))
    const records = Object.assign({}, ...indexes.map((index) => index['packages.conda']))
    writeFileSync(join(target, subdir, 'repodata.json'), JSON.stringify({ ...indexes[0], 'packages.conda': records }))
  }
}
