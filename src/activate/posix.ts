import type { AtExit } from './at-exit.ts'
import type { Dialect, RenderContext } from './dialect.ts'
import { quotePosix as quote } from './quote.ts'
import type { AtExitStep, CheckStep, PathStep, Step, UnderVenvStep } from './steps.ts'

/**
 * How bash, zsh and sh differ for us. Command words are spelled so that no alias or function of the session can replace
 * them.
 */
interface Words {
  /** Goes before an ordinary builtin. */
  builtin: string
  /** Goes before a special one (set, export, return, ...). */
  special: string
  /** Sources a file; its errors don't end the session. */
  dot: string
  isFunction(name: string): string
  rehash: string
  /** Whether errexit is suspended in a file that is sourced on the left of `||`. In dash it isn't. */
  condition: boolean
  atExit: AtExit
  /** Puts another name into the prompt, if that is where this shell has it. */
  label?(step: Step & { op: 'label' }): string[]
}

/** The function's positional parameters hold temporary values, because sh has no local variables. */
export function posix(words: Words): Dialect {
  return {
    scriptExtension: '.sh',
    condaUnsets: '',
    condaBreaksAt: /'/,
    quote,
    render: (step, context) => renderStep(words, step, context),
  }
}

function renderStep(words: Words, step: Step, context: RenderContext): string[] {
  const { special } = words
  switch (step.op) {
    case 'check':
      return renderCheck(words, step, context)
    case 'source':
      return withoutOptions(words, context, [`${words.dot} ${quote(step.script)} || ${words.builtin}:`])
    case 'export':
      return [`${special}export ${step.name}=${quote(step.value)}`]
    case 'unset':
      return [`${special}unset -v ${step.name}`]
    case 'prompt':
      return [`PS1=${quote(step.value)}`]
    case 'label':
      return words.label?.(step) ?? []
    case 'pixiPrompt':
      return []
    case 'follow':
      return [
        `if ${words.builtin}[ "\${${step.name}-}" = ${quote(step.was)} ]; then`,
        `${special}export ${step.name}=${quote(step.value)}`,
        'fi',
      ]
    case 'path':
      return renderPath(words, step)
    case 'underVenv':
      return renderUnderVenv(words, step)
    case 'rehash':
      return [`${words.rehash} || ${words.builtin}:`]
    case 'conda':
      return renderConda(words, step, context)
    case 'condaFrom':
      return []
    case 'run':
      return [`${launch(step, context)} || ${special}return 1`]
    case 'atExit':
      return words.atExit.add(exitCommand(words, step, context), step)
    case 'notAtExit':
      return words.atExit.remove(exitCommand(words, step, context), step)
    case 'return':
      return [`${special}return ${step.status}`]
  }
}

/** A subshell tries it out: what fails there may end a shell. */
function renderCheck(words: Words, { names, otherwise }: CheckStep, context: RenderContext): string[] {
  const canUnset = (name: string) => `( ${words.special}unset -v ${name} ) 2> /dev/null`
  const complain = (name: string) =>
    `${canUnset(name)} || ${words.builtin}printf '%s\\n' ${quote(`ERROR: The variable ${name} is read-only in this shell`)} >&2`
  return [
    `if ${canUnset(names.join(' '))}; then ${words.builtin}:`,
    'else',
    ...names.map(complain),
    ...otherwise.flatMap((next) => renderStep(words, next, context)),
    'fi',
  ]
}

const launch = ({ argv }: { argv: string[] }, { launcher }: RenderContext): string =>
  `LD_PRELOAD= LD_LIBRARY_PATH= ${[launcher, ...argv].map(quote).join(' ')}`

/** The command never changes the session's exit status, not even under errexit. */
const exitCommand = ({ builtin }: Words, step: AtExitStep, context: RenderContext): string =>
  `${builtin}[ ! -e ${quote(step.whileThere)} ] || ${launch(step, context)} || ${builtin}:`

/**
 * Scripts of conda packages are not written for nounset and errexit. Only the options that the session uses are switched
 * off and on again, so an option that a script switches on stays on, as it would with conda.
 */
function withoutOptions(words: Words, context: RenderContext, lines: string[]): string[] {
  const suspended = [...(words.condition ? 'u' : 'eu')].filter((flag) => context.flags.includes(flag)).join('')
  const set = (sign: string) => (suspended === '' ? [] : [`${words.special}set ${sign}${suspended}`])
  return [`${words.special}set --`, ...set('+'), ...lines, ...set('-')]
}

/**
 * $1: finished entries, each with its colon; $2: remaining entries, likewise; $3: the text that the first of them is compared
 * with. The comparisons cut that text off, because `case` ignores case if the session has set nocasematch in bash.
 */
function renderPath({ builtin, special }: Words, { entries = [], from, keep, to, first, exact }: PathStep): string[] {
  const starts = (end: string) => `${builtin}[ "$2" != "\${2#"$3"${end}}" ]`
  const branch = (text: string, condition: string, then: string) => [
    `elif ${special}set -- "$1" "$2" ${quote(text)}; ${condition}; then`,
    then,
  ]
  const becomes = (text: string) => `${special}set -- "$1"${quote(text)} "\${2#"$3"}"`
  const goes = `${special}set -- "$1" "\${2#"$3":}"; ${special}continue`
  const within = `${starts(':')} || ${starts('/')}`
  const loop = [
    // What shells look up without PATH.
    `${special}set -- '' "\${PATH-/usr/bin:/bin}:"`,
    `while ${builtin}[ -n "$2" ]; do`,
    `if ${builtin}false; then ${builtin}:`,
    ...entries.flatMap(([whole, text]) => branch(whole, starts(':'), text === null ? goes : becomes(text))),
    ...keep.flatMap((prefix) => branch(prefix, within, `${builtin}:`)),
    ...from.flatMap((prefix) => branch(prefix, within, becomes(to))),
    'fi',
    `${special}set -- "$1\${2%%:*}:" "\${2#*:}"`,
    'done',
    ...(first === undefined
      ? []
      : [
          `${special}set -- "$1" ":$1" ${quote(first)}`,
          `${builtin}[ "$2" != "\${2#*:"$3":}" ] || ${special}set -- "$3:$1"`,
        ]),
    `${special}export PATH="\${1%:}"`,
    `${special}set --`,
  ]
  if (exact === undefined) return loop
  return [
    `if ${builtin}[ "\${PATH-}" = ${quote(exact.when)} ]; then`,
    `${special}export PATH=${quote(exact.becomes)}`,
    'else',
    ...loop,
    'fi',
  ]
}

/** PATH is the other one meanwhile. */
function renderUnderVenv(words: Words, { path, prompt }: UnderVenvStep): string[] {
  const { builtin, special } = words
  const shown = prompt && [
    `if ${builtin}[ "\${_OLD_VIRTUAL_PS1-}" = ${quote(prompt.was)} ]; then`,
    `_OLD_VIRTUAL_PS1=${quote(prompt.becomes)}`,
    'fi',
  ]
  return [
    `if ${builtin}[ -n "\${_OLD_VIRTUAL_PATH-}" ]; then`,
    `__conda_stage_path="\${PATH-}"`,
    'PATH="$_OLD_VIRTUAL_PATH"',
    ...renderPath(words, path),
    '_OLD_VIRTUAL_PATH="$PATH"',
    `${special}export PATH="$__conda_stage_path"`,
    `${special}unset -v __conda_stage_path`,
    'fi',
    ...(shown ?? []),
  ]
}

function renderConda(words: Words, step: Step & { op: 'conda' }, context: RenderContext): string[] {
  const argv = step.argv.map(quote).join(' ')
  const branches = ['conda', 'mamba', 'micromamba'].flatMap((name, index) => [
    `${index === 0 ? 'if' : 'elif'} ${words.isFunction(name)}; then`,
    `\\${name} ${argv}`,
  ])
  const failed = `|| ${words.special}set -- failed`
  const [sign, prefix] = 'is' in step.prefix ? ['=', step.prefix.is] : ['!=', step.prefix.isNot]
  const call = [
    ...['{', ...branches, 'else', `${words.builtin}false`, 'fi', `} ${failed}`],
    `${words.builtin}[ "\${CONDA_PREFIX-}" ${sign} ${quote(prefix)} ] ${failed}`,
  ]
  const otherwise = step.otherwise.flatMap((next) => renderStep(words, next, context))
  return [...withoutOptions(words, context, call), 'case "$#" in', '1)', ...otherwise, ';;', 'esac']
}
