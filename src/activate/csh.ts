import type { Dialect, RenderContext } from './dialect.ts'
import { swapEntries, swapPath } from './path.ts'
import type { PathStep, Step, UnderVenvStep } from './steps.ts'

/**
 * tcsh, also if its name is csh. argv holds temporary values; the shell restores it when the file that is sourced with
 * arguments ends. `""` prevents an alias from replacing a builtin; `set` with parentheses and `if` can't be spelled
 * that way. An error such as an undefined variable ends every file that is being sourced, ours included. Nothing can
 * catch that; conda can't either.
 */
export const csh: Dialect = {
  scriptExtension: '.csh',
  condaUnsets: null,
  condaBreaksAt: /['"`$!\\\n]/,
  templates: 'csh',
  quote,
  // call.csh left the folder of this very file in argv. The shell keeps reading the file, which it has open.
  opening: ['( ""setenv LD_PRELOAD "" ; ""setenv LD_LIBRARY_PATH "" ; ""exec /bin/rm -rf -- $1:q )', 'set argv = ( )'],
  render: renderStep,
}

/**
 * One word, even if `backslash_quote` or `histchars` give other characters a meaning. Outside of quotes, a backslash
 * makes any next character ordinary, except a newline.
 */
function quote(text: string): string {
  if (text === '') return "''"
  return text.replaceAll(/[^\w/.\u0080-\u{10ffff}-]/gu, (char) => (char === '\n' ? "'\\\n'" : `\\${char}`))
}

function renderStep(step: Step, context: RenderContext): string[] {
  switch (step.op) {
    case 'source':
      return [`if ( -r ${quote(step.script)} ) ""source ${quote(step.script)}`]
    case 'export':
      return [`""setenv ${step.name} ${quote(step.value)}`]
    case 'unset':
      return [`""unsetenv ${step.name}`]
    case 'prompt':
      return [`set prompt = ${quote(step.value)}`]
    case 'path':
      return renderPath(step)
    case 'underVenv':
      return renderUnderVenv(step)
    case 'rehash':
      return ['""rehash']
    case 'conda':
      return renderConda(step, context)
    case 'condaFrom':
      return step.from.flatMap((from) => renderCondaFrom(from, step.to))
    case 'run': {
      const command = [context.launcher, ...step.argv].map(quote).join(' ')
      return [`( ""setenv LD_PRELOAD "" ; ""setenv LD_LIBRARY_PATH "" ; ""exec ${command} )`, 'if ( $status ) ""exit 1']
    }
    case 'return':
      // A session with -e ends if a subshell fails, but not if a sourced file returns a failure.
      return step.status === 0 ? ['""exit 0'] : [`( ""exit ${step.status} )`, '""exit $status']
    default:
      return [] // csh runs nothing when it ends
  }
}

/**
 * If PATH is still what the program saw, it gets its whole new value. Otherwise the entries rotate through argv until the
 * colon, which is never an entry, is in front again. (Setting `path` at each step would search all its folders each time.)
 */
function renderPath(step: PathStep): string[] {
  const { exact, first, seen } = step
  const missing = '__conda_stage_missing'
  const known: [string, string][] = [
    ...(exact ? [[exact.when, exact.becomes] as [string, string]] : []),
    ...(seen === undefined ? [] : [[seen, swapPath(seen, step)] as [string, string]]),
  ]
  return [
    'if ( ! $?PATH ) ""setenv PATH /usr/bin:/bin',
    ...known.flatMap(([from, to], index) => [
      `${index === 0 ? 'if' : 'else if'} ( x$PATH:q == x${quote(from)} ) then`,
      `""setenv PATH ${quote(to)}`,
    ]),
    known.length === 0 ? 'if ( 1 ) then' : 'else',
    `set ${missing} argv = ( $path:q : )`,
    'while ( x$1:q != x: )',
    ...swapEntries(step).flatMap(([from, to]) =>
      to === undefined
        ? [`if ( x$1:q == x${quote(from)} ) then`, '""shift', 'continue', 'endif']
        : [`if ( x$1:q == x${quote(from)} ) set argv[1] = ${quote(to)}`],
    ),
    ...(first === undefined ? [] : [`if ( x$1:q == x${quote(first)} ) ""unset ${missing}`]),
    'set argv = ( $argv[2-]:q $1:q )',
    'end',
    '""shift',
    ...(first === undefined ? [] : [`if ( $?${missing} ) set argv = ( ${quote(first)} $argv:q )`]),
    `""unset ${missing}`,
    'set path = ( $argv:q )',
    'set argv = ( )',
    'endif',
  ]
}

/** PATH is the other one meanwhile. */
const renderUnderVenv = ({ path, prompt }: UnderVenvStep): string[] => [
  'if ( $?_OLD_VIRTUAL_PATH ) then',
  'set __conda_stage_path = $PATH:q',
  '""setenv PATH $_OLD_VIRTUAL_PATH:q',
  ...renderPath(path),
  'set _OLD_VIRTUAL_PATH = $PATH:q',
  '""setenv PATH $__conda_stage_path:q',
  '""unset __conda_stage_path',
  'endif',
  ...(prompt === undefined
    ? []
    : [
        'if ( $?_OLD_VIRTUAL_PROMPT ) then',
        `if ( x$_OLD_VIRTUAL_PROMPT:q == x${quote(prompt.was)} ) set _OLD_VIRTUAL_PROMPT = ${quote(prompt.becomes)}`,
        'endif',
      ]),
]

/** The alias is `source BASE/etc/profile.d/conda.csh`. */
function renderCondaFrom(from: string, to: string): string[] {
  const [file, other] = [from, to].map((root) => quote(`${root}/etc/profile.d/conda.csh`))
  return [`if ( x"\`alias conda\`" == xsource\\ ${file} ) alias conda source ${other}`]
}

function renderConda(step: Step & { op: 'conda' }, context: RenderContext): string[] {
  const argv = step.argv.map(quote).join(' ')
  const branches = ['conda', 'mamba', 'micromamba'].flatMap((name, index) => [
    `${index === 0 ? 'if' : 'else if'} ( x"\`alias ${name}\`" != x ) then`,
    `${name} ${argv}`,
    'set argv = ( $status )',
  ])
  const [sign, prefix, unset] = 'is' in step.prefix ? ['!=', step.prefix.is, 1] : ['==', step.prefix.isNot, 0]
  const check = [
    'if ( $?CONDA_PREFIX ) then',
    `if ( x$CONDA_PREFIX:q ${sign} x${quote(prefix)} ) set argv = ( 1 )`,
    ...(unset ? ['else', 'set argv = ( 1 )'] : []),
    'endif',
  ]
  const otherwise = step.otherwise.flatMap((next) => renderStep(next, context))
  return [
    ...[...branches, 'else', 'set argv = ( 1 )', 'endif', ...check],
    ...['if ( $1 ) then', ...otherwise, 'endif', 'set argv = ( )'],
  ]
}
