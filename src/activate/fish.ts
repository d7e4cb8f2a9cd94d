import type { Dialect, RenderContext } from './dialect.ts'
import { swapEntries } from './path.ts'
import type { AtExitStep, PathStep, Step, UnderVenvStep } from './steps.ts'

/**
 * fish 3.1 or newer. No function can have the name of a reserved builtin (set, test, string, ...); all others are
 * called through `builtin`. There is no prompt to set: conda's prompt function reads CONDA_PROMPT_MODIFIER, and pixi's calls a function
 * that prints its part.
 */
export const fish: Dialect = {
  scriptExtension: '.fish',
  condaUnsets: null,
  condaBreaksAt: /["$\\]/,
  quote,
  render: renderStep,
}

function quote(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`
}

function renderStep(step: Step, context: RenderContext): string[] {
  switch (step.op) {
    case 'source':
      return [`builtin source ${quote(step.script)}`]
    case 'export':
      return [`set -gx ${step.name} ${quote(step.value)}`]
    case 'unset':
      return [`set -eg ${step.name}`]
    case 'label':
      return renderLabel(step)
    case 'pixiPrompt':
      return renderPixiPrompt(step)
    case 'follow':
      return [`if test "$${step.name}" = ${quote(step.was)}`, `set -gx ${step.name} ${quote(step.value)}`, 'end']
    case 'path':
      return renderPath(step)
    case 'underVenv':
      return renderUnderVenv(step)
    case 'conda':
      return renderConda(step, context)
    case 'condaFrom':
      return step.from.flatMap((from) => renderCondaFrom(`${from}/bin/conda`, `${step.to}/bin/conda`))
    case 'run':
      return [...launch(step, context), 'or return 1']
    case 'return':
      return [`return ${step.status}`]
    case 'atExit':
      return renderAtExit(step, context)
    case 'notAtExit':
      return [`builtin functions -e ${exitFunction(step)}`]
    default:
      return []
  }
}

/**
 * The function is venv's own: those of virtualenv and uv show VIRTUAL_ENV_PROMPT. Up to Python 3.11 it prints `'(NAME) '`, then
 * `NAME` in colours. `deactivate` puts the user's function back, whatever this one is by then.
 */
function renderLabel({ from, to }: Step & { op: 'label' }): string[] {
  const [was, becomes] = [from, to].map((name) => ({ plain: name, quoted: quote(name), old: quote(`(${name}) `) }))
  const ending = ' (set_color normal)'
  const replacements = [
    [was!.old, becomes!.old],
    [` ${was!.quoted}${ending}`, ` ${becomes!.quoted}${ending}`],
    [` ${was!.plain}${ending}`, ` ${becomes!.quoted}${ending}`],
  ]
  const replace = replacements.map(([a, b]) => `| builtin string replace -- ${quote(a!)} ${quote(b!)}`).join(' ')
  return [
    'if builtin functions -q fish_prompt _old_fish_prompt',
    `builtin functions fish_prompt ${replace} | builtin source`,
    'end',
  ]
}

const launch = ({ argv }: { argv: string[] }, { launcher }: RenderContext): string[] => [
  'begin',
  "set -lx LD_PRELOAD ''",
  "set -lx LD_LIBRARY_PATH ''",
  [launcher, ...argv].map(quote).join(' '),
  'end',
]

/** pixi's own function with another text: `fish_prompt` in its crates/pixi_core/src/prompt.rs. */
const renderPixiPrompt = ({ part }: { part: string }): string[] => [
  'if builtin functions -q __pixi_add_prompt',
  'function __pixi_add_prompt',
  'set_color -o green',
  `echo -n ${quote(part)}`,
  'set_color normal',
  'end',
  'end',
]

/** A function that handles the event fish_exit. */
function renderAtExit(step: AtExitStep, context: RenderContext): string[] {
  return [
    `if test $fish_pid = ${step.pid}`,
    `function ${exitFunction(step)} --on-event fish_exit`,
    `test -e ${quote(step.whileThere)}`,
    'and begin',
    ...launch(step, context),
    'end',
    'end',
    'end',
  ]
}

/** `functions` prints what a function has inherited (`function conda --inherit-variable CONDA_EXE`) as a first line of its body. */
function renderCondaFrom(from: string, to: string): string[] {
  const line = (program: string) => `'set -l CONDA_EXE '(string escape -n -- ${quote(program)})`
  return [
    'if builtin functions -q conda',
    `and builtin contains -- ${line(from)} (builtin functions conda | string trim)`,
    `builtin functions conda | string replace -- ${line(from)} ${line(to)} | builtin source`,
    'end',
  ]
}

const exitFunction = ({ id }: AtExitStep): string => `__conda_stage_exit_${id}`

/** Entries are compared whole, because fish cuts the output of a command substitution at newlines. */
function renderPath(step: PathStep): string[] {
  const { exact, first } = step
  const changes = swapEntries(step)
  const loop = [
    'set -l argv',
    'for __conda_stage_entry in $PATH',
    ...changes.flatMap(([from, to], index) => [
      `${index === 0 ? 'if' : 'else if'} test "$__conda_stage_entry" = ${quote(from)}`,
      ...(to === undefined ? [] : [`set argv $argv ${quote(to)}`]),
    ]),
    ...(changes.length > 0 ? ['else'] : []),
    'set argv $argv "$__conda_stage_entry"',
    ...(changes.length > 0 ? ['end'] : []),
    'end',
    ...(first === undefined ? [] : [`builtin contains -- ${quote(first)} $argv`, `or set argv ${quote(first)} $argv`]),
    'set -gx PATH $argv',
  ]
  if (exact === undefined) return ['begin', ...loop, 'end']
  return [`if test "$PATH" = ${quote(exact.when)}`, `set -gx PATH ${quote(exact.becomes)}`, 'else', ...loop, 'end']
}

/** PATH is the other one meanwhile. The prompt is a function, which asks for the part of conda's. */
const renderUnderVenv = ({ path }: UnderVenvStep): string[] => [
  'if set -q _OLD_VIRTUAL_PATH',
  'set -l __conda_stage_path $PATH',
  'set -gx PATH $_OLD_VIRTUAL_PATH',
  ...renderPath(path),
  'set -gx _OLD_VIRTUAL_PATH $PATH',
  'set -gx PATH $__conda_stage_path',
  'end',
]

/** conda's function returns the status of the last script that it ran, so the state shows whether it worked. */
function renderConda(step: Step & { op: 'conda' }, context: RenderContext): string[] {
  const argv = step.argv.map(quote).join(' ')
  const branches = ['conda', 'mamba', 'micromamba'].flatMap((name, index) => [
    `${index === 0 ? 'if' : 'else if'} builtin functions -q ${name}`,
    `${name} ${argv}`,
  ])
  const [sign, prefix] = 'is' in step.prefix ? ['=', step.prefix.is] : ['!=', step.prefix.isNot]
  const otherwise = step.otherwise.flatMap((next) => renderStep(next, context))
  return [...branches, 'end', `test "$CONDA_PREFIX" ${sign} ${quote(prefix)}`, 'or begin', ...otherwise, 'end']
}
