/**
 * Prints what `conda shell.posix activate|deactivate|reactivate` prints in conda 26.9, or shell.fish or shell.csh. Names are
 * those of $CONDA_ROOT_STAND_IN/envs. Each call adds a line to the file $CONDA_LOG_STAND_IN. $CONDA_RUNS_FROM_STAND_IN is conda's
 * sys.prefix: then it sets the variables by which it is called.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'

const { env } = process
/** The language of the shell that evaluates the output; `posix` if the call doesn't say. */
const LANGUAGES = {
  posix: {
    extension: '.sh',
    set: (name: string, value: string) => `export ${name}='${value}'`,
    source: (path: string) => `. "${path}"`,
    prompt: (value: string) => [`PS1='${value.replaceAll("'", `'"'"'`)}'`],
  },
  fish: {
    extension: '.fish',
    set: (name: string, value: string) => `set -gx ${name} '${value}';`,
    source: (path: string) => `source "${path}";`,
    prompt: () => [],
  },
  csh: {
    extension: '.csh',
    set: (name: string, value: string) => `setenv ${name} '${value}';`,
    source: (path: string) => `source "${path}";`,
    prompt: (value: string) => [`set prompt='${value}';`],
  },
}
const language = LANGUAGES[(env.LANGUAGE_STAND_IN ?? 'posix') as keyof typeof LANGUAGES]
const root = env.CONDA_ROOT_STAND_IN!
const level = Number(env.CONDA_SHLVL || 0)
const active = env.CONDA_PREFIX ?? ''
const [command, ...rest] = process.argv.slice(2)
appendFileSync(env.CONDA_LOG_STAND_IN!, `${process.argv.slice(2).join(' ')}\n`)

const from = env.CONDA_RUNS_FROM_STAND_IN
const metavars: Record<string, string> = from
  ? {
      CONDA_EXE: `${from}/bin/conda`,
      _CONDA_EXE: `${from}/bin/conda`,
      CONDA_PYTHON_EXE: `${from}/bin/python`,
      _CONDA_ROOT: from,
    }
  : {}

const lines = command === 'activate' ? activate(rest) : command === 'reactivate' ? reactivate() : deactivate()
process.stdout.write(`${lines.join('\n')}\n`)

function activate(args: string[]): string[] {
  const stack = args[0] === '--stack'
  const name = args.at(-1)!
  const prefix = name.includes('/') ? resolve(name) : name === 'base' ? root : `${root}/envs/${name}`
  if (!existsSync(`${prefix}/conda-meta`)) {
    console.error(`EnvironmentLocationNotFound: ${prefix}`)
    process.exit(1)
  }
  const variables = variablesOf(prefix)
  const values: Record<string, string> = { ...variables }
  for (const [key, value] of Object.entries(variables)) {
    const old = env[key]
    if (old === undefined) continue
    if (old !== value) console.error(`WARNING: overwriting variable ${key}`)
    values[`__CONDA_SHLVL_${level}_${key}`] = old
  }
  if (level > 0) values[`CONDA_PREFIX_${level}`] = active
  if (level > 0 && stack) values[`CONDA_STACKED_${level + 1}`] = 'true'
  const replaced = level > 0 && !stack
  return [
    ...(replaced ? scripts(active, 'deactivate.d').reverse() : []),
    ...prompt(`(${defaultEnv(prefix)}) `),
    ...exports({
      PATH: replaced ? path(active, prefix) : path('', prefix),
      ...state(prefix, level + 1),
      ...values,
      ...metavars,
    }),
    ...scripts(prefix, 'activate.d'),
  ]
}

function deactivate(): string[] {
  if (level === 0) return []
  const below = env[`CONDA_PREFIX_${level - 1}`] ?? ''
  const stacked = env[`CONDA_STACKED_${level}`] !== undefined
  const values: Record<string, string> = level > 1 ? { ...state(below, level - 1), ...variablesOf(below) } : {}
  if (level === 1) {
    Object.assign(values, { CONDA_PREFIX: '', CONDA_SHLVL: '0', CONDA_DEFAULT_ENV: '', CONDA_PROMPT_MODIFIER: '' })
  }
  for (const key of Object.keys(variablesOf(active))) values[key] = env[`__CONDA_SHLVL_${level - 1}_${key}`] ?? ''
  const emptied = { [`CONDA_PREFIX_${level - 1}`]: '', ...(stacked && { [`CONDA_STACKED_${level}`]: '' }) }
  return [
    ...exports({ PATH: path(active, level > 1 && !stacked ? below : '') }),
    ...scripts(active, 'deactivate.d').reverse(),
    ...exports(level > 1 ? emptied : {}),
    ...prompt(level > 1 ? `(${defaultEnv(below)}) ` : ''),
    ...exports({ ...values, ...metavars }),
    ...(level > 1 ? scripts(below, 'activate.d') : []),
  ]
}

/** conda does this after a transaction, because packages may have added or removed scripts. */
function reactivate(): string[] {
  if (level === 0) return []
  const modifier = `(${defaultEnv(active)}) `
  return [
    ...scripts(active, 'deactivate.d').reverse(),
    ...prompt(modifier),
    ...exports({
      PATH: path(active, active),
      CONDA_SHLVL: String(level),
      CONDA_PROMPT_MODIFIER: modifier,
      ...metavars,
    }),
    ...scripts(active, 'activate.d'),
  ]
}

function state(prefix: string, shellLevel: number): Record<string, string> {
  return {
    CONDA_PREFIX: prefix,
    CONDA_SHLVL: String(shellLevel),
    CONDA_DEFAULT_ENV: defaultEnv(prefix),
    CONDA_PROMPT_MODIFIER: `(${defaultEnv(prefix)}) `,
  }
}

/** PATH with one environment replaced by another, which goes to the front if there is none to replace. */
function path(leave: string, enter: string): string {
  const entries = (env.PATH ?? '').split(':')
  const at = leave === '' ? -1 : entries.indexOf(`${leave}/bin`)
  entries.splice(Math.max(at, 0), at < 0 ? 0 : 1, ...(enter === '' ? [] : [`${enter}/bin`]))
  return entries.join(':')
}

function prompt(modifier: string): string[] {
  const ps1 = (env.PS1 ?? '').replaceAll(env.CONDA_PROMPT_MODIFIER || '\0', '')
  return language.prompt(modifier + ps1)
}

function defaultEnv(prefix: string): string {
  if (prefix === root) return 'base'
  return basename(dirname(prefix)) === 'envs' ? basename(prefix) : prefix
}

function exports(values: Record<string, string>): string[] {
  return Object.entries(values).map(([name, value]) => language.set(name, value))
}

function scripts(prefix: string, folder: string): string[] {
  const path = `${prefix}/etc/conda/${folder}`
  if (!existsSync(path)) return []
  const names = readdirSync(path).filter((name) => name.endsWith(language.extension))
  return names.sort().map((name) => language.source(`${path}/${name}`))
}

function variablesOf(prefix: string): Record<string, string> {
  const path = `${prefix}/conda-meta/state`
  if (!existsSync(path)) return {}
  const { env_vars } = JSON.parse(readFileSync(path, 'utf8')) as { env_vars: Record<string, string> }
  return Object.fromEntries(Object.entries(env_vars).map(([name, value]) => [name.toUpperCase(), value]))
}
