/** The variables that real shells treat in a way of their own: which there may be, and what becomes of them. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DialectName } from '../../src/activate/dialects.ts'
import { render } from '../../src/activate/render.ts'
import type { Step } from '../../src/activate/steps.ts'

export interface RealShell {
  name: string
  dialect: DialectName
  argv: string[]
  /** A command that prints the names that the shell knows by itself. */
  list: string
  /** Its program contains the names of much else. */
  isLarge?: boolean
  /** Goes before code that runs at a prompt; none if the shell evaluates no variable there. */
  interactive?: string[]
}

/** Every kind of shell that --source takes. */
export const REAL_SHELLS: RealShell[] = [
  {
    name: 'bash',
    dialect: 'bash',
    argv: ['bash', '--norc'],
    list: 'compgen -v',
    interactive: ['bash', '--norc', '-i'],
  },
  { name: 'bash --posix', dialect: 'bash', argv: ['bash', '--norc', '--posix'], list: 'compgen -v' },
  {
    name: 'zsh',
    dialect: 'zsh',
    argv: ['zsh', '--no-rcs'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: zsh's
    list: 'for m in ${module_path[1]}/**/*.so; do m=${m#$module_path[1]/}; zmodload ${m%.so} 2> /dev/null; done; print -l ${(k)parameters}',
    interactive: ['zsh', '--no-rcs', '-i', '-o', 'prompt_subst'],
  },
  { name: 'dash', dialect: 'sh', argv: ['dash'], list: 'set', interactive: ['dash', '-i'] },
  { name: 'bash as sh', dialect: 'sh', argv: ['bash', '--norc', '--posix'], list: 'compgen -v' },
  { name: 'mksh', dialect: 'sh', argv: ['mksh'], list: 'typeset +', interactive: ['mksh', '-i'] },
  { name: 'ksh93', dialect: 'sh', argv: ['ksh93'], list: 'typeset +', interactive: ['ksh93', '-i'] },
  {
    name: 'busybox ash',
    dialect: 'sh',
    argv: ['busybox', 'ash'],
    list: 'set',
    isLarge: true,
    interactive: ['busybox', 'ash', '-i'],
  },
  { name: 'yash', dialect: 'sh', argv: ['yash', '--norcfile', '--noprofile'], list: 'set' },
  { name: 'fish', dialect: 'fish', argv: ['fish', '--no-config'], list: 'set --names', isLarge: true },
  { name: 'tcsh', dialect: 'tcsh', argv: ['tcsh', '-f'], list: 'set; printenv' },
]

/** Names that the shell lists, those that its program and its modules contain, and `further`: shells hide some that are not set. */
export function namesOf(shell: RealShell, further: readonly string[]): string[] {
  const [program = '', ...args] = shell.argv
  const listed = output(program, [...args, '-c', shell.list]).match(/^[A-Za-z_]\w*/gm) ?? []
  if (shell.isLarge) return unique([...listed, ...further])
  const files = `readlink -f "$(command -v ${program})"; find /usr/lib/*/${program} /usr/lib64/${program} -name '*.so' 2> /dev/null`
  const paths = output('sh', ['-c', files]).trim().split('\n')
  const texts = output('strings', ['-n', '3', ...paths]).match(/^(?:PS\d|[A-Z][A-Z0-9]{2,}(?:_[A-Z0-9]+)*)$/gm) ?? []
  return unique([...listed, ...texts, ...further])
}

const unique = (names: readonly string[]): string[] => [...new Set(names)].filter((name) => !IGNORED.test(name)).sort()

/** conda ignores PATH; these two are the loader's; and the last one is every shell's. */
const IGNORED = /^(?:PATH|path|LD_.*|DYLD_.*|_)$/

export interface Trial {
  name: string
  value: string
}

export type Outcome = 'well' | 'evaluated' | 'ended the session' | 'has another value' | 'stays'

/**
 * Has a shell export and unset variables with the code that a session gets, each in a subshell.
 * `$MARK` in a value is a command that leaves a mark.
 */
export function outcomes(shell: RealShell, trials: readonly Trial[]): Outcome[] {
  return inFolder((folder) => {
    const code = trials.map((trial, at) => tried(shell, trial, at))
    writeFileSync(join(folder, 'script'), code.join('\n'))
    const [program = '', ...args] = shell.argv
    spawnSync(program, [...args, join(folder, 'script')], { cwd: folder, env: environment(folder), stdio: 'ignore' })
    const marks = new Set(readdirSync(join(folder, 'marks')))
    return trials.map(({ name, value }, at): Outcome => {
      if (marks.has(String(at))) return 'evaluated'
      const [set, unset] = ['set', 'unset'].map((when) => variablesIn(join(folder, `${at}.${when}`)))
      if (set === undefined || unset === undefined) return 'ended the session'
      if (set.get(name) !== marked(value, at)) return 'has another value'
      return unset.has(name) ? 'stays' : 'well'
    })
  })
}

/** Which of these a shell evaluates some time after they have been set: at its prompt, in a trace, or when another one starts. */
export function evaluatedLater(shell: RealShell, trials: readonly Trial[]): Trial[] {
  return inFolder((folder) => {
    const [program = '', ...args] = shell.interactive!
    const lines = trials.flatMap(({ name, value }, at) => [
      ...stepsOf(shell, [{ op: 'export', name, value: marked(value, at) }]),
      ':',
      `${shell.argv.join(' ')} -c :`,
      'set -x; :; set +x',
      ...stepsOf(shell, [{ op: 'unset', name }]),
    ])
    spawnSync(program, args, {
      cwd: folder,
      env: environment(folder),
      input: `${lines.join('\n')}\nexit\n`,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    const marks = new Set(readdirSync(join(folder, 'marks')))
    return trials.filter((_, at) => marks.has(String(at)))
  })
}

const stepsOf = ({ dialect }: RealShell, steps: Step[]): string[] =>
  render(steps, dialect, { flags: '', launcher: '/none' })
    .split('\n')
    .filter((line) => !line.startsWith(': '))

function tried(shell: RealShell, { name, value }: Trial, at: number): string {
  const set = stepsOf(shell, [{ op: 'export', name, value: marked(value, at) }])
  const unset = stepsOf(shell, [{ op: 'unset', name }])
  const show = (when: string) => `/usr/bin/env -0 > ${at}.${when}`
  const lines = [...set, show('set'), ...unset, show('unset')]
  if (shell.dialect === 'fish') return ['function tried', ...lines, 'end', 'tried'].join('\n')
  if (shell.dialect === 'tcsh') return `( ${lines.join(' ; ')} )`.replaceAll(' > ', ' >! ')
  return ['(', 'tried() {', ...lines, '}', 'tried', ')'].join('\n')
}

const marked = (value: string, at: number): string => value.replaceAll('MARK', `: > marks/${at}`)

function variablesIn(file: string): Map<string, string> | undefined {
  try {
    const records = readFileSync(file, 'utf8').split('\0').filter(Boolean)
    return new Map(records.map((record) => [record.split('=', 1)[0]!, record.slice(record.indexOf('=') + 1)]))
  } catch {
    return undefined
  }
}

const environment = (folder: string) => ({ PATH: '/usr/bin:/bin', HOME: folder, LANG: 'C.UTF-8', TERM: 'dumb' })

function inFolder<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'own-variables-'))
  mkdirSync(join(folder, 'marks'))
  try {
    return body(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function output(program: string, args: string[]): string {
  const { stdout, error } = spawnSync(program, args, {
    encoding: 'latin1',
    env: { PATH: '/usr/bin:/bin' },
    maxBuffer: 2 ** 28,
  })
  if (error) throw error
  return stdout
}
