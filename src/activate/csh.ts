import type { Dialect, RenderContext } from './dialect.ts'
import { swapEntries, swapPath } from './path.ts'
import type { PathStep, Step } from './steps.ts'

/**
 * tcsh, under this or the name csh. Temporary values are held in argv, which is restored when the file that is
 * sourced with arguments ends. `""` keeps an alias from taking a builtin's place; `set` with parentheses and `if` can't
 * be spelled so. An error such as an undefined variable ends all files that are being sourced, ours too: there is no
 * way to catch it, nor has conda one.
 */
export const csh: Dialect = {
  scriptExtension: '.csh',
  templates: 'csh',
  quote,
  // call.csh has left the folder of this very file in argv. The shell goes on reading what it has open.
  opening: ['( ""setenv LD_PRELOAD "" ; ""setenv LD_LIBRARY_PATH "" ; ""exec /bin/rm -rf -- $1:q )', 'set argv = ( )'],
  render: renderStep,
}

/**
 * One word, also where `backslash_quote` or `histchars` give other characters a meaning. Outside of quotes a backslash
 * always makes the next character an ordinary one, but not a newline.
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
    case 'rehash':
      return ['""rehash']
    case 'conda':
      return renderConda(step, context)
    case 'run': {
      const command = [context.launcher, ...step.argv].map(quote).join(' ')
      return [`( ""setenv LD_PRELOAD "" ; ""setenv LD_LIBRARY_PATH "" ; ""exec ${command} )`, 'if ( $status ) ""exit 1']
    }
    case 'return':
      // A session with -e ends for a subshell that fails, not for what a sourced file returns.
      return step.status === 0 ? ['""exit 0'] : [`( ""exit ${step.status} )`, '""exit $status']
    default:
      return [] // nothing runs when a csh ends
  }
}

/**
 * PATH as the program saw it gets its new value whole. Otherwise it goes round entry by entry, until the colon, which
 * no entry is, comes to the front again: `path` itself would look through all folders each time that it is set.
 */
function renderPath(step: PathStep): string[] {
  const { exact, seen } = step
  const known: [string, string][] = [
    ...(exact ? [[exact.when, exact.becomes] as [string, string]] : []),
    ...(seen === undefined ? [] : [[seen, swapPath(seen, step)] as [string, string]]),
  ]
  return [
    ...known.flatMap(([from, to], index) => [
      `${index === 0 ? 'if' : 'else if'} ( x$PATH:q == x${quote(from)} ) then`,
      `""setenv PATH ${quote(to)}`,
    ]),
    known.length === 0 ? 'if ( 1 ) then' : 'else',
    'set argv = ( $path:q : )',
    'while ( x$1:q != x: )',
    ...swapEntries(step).map(([from, to]) => `if ( x$1:q == x${quote(from)} ) set argv[1] = ${quote(to)}`),
    'set argv = ( $argv[2-]:q $1:q )',
    'end',
    '""shift',
    'set path = ( $argv:q )',
    'set argv = ( )',
    'endif',
  ]
}

function renderConda(step: Step & { op: 'conda' }, context: RenderContext): string[] {
  const argv = step.argv.map(quote).join(' ')
  const branches = ['conda', 'mamba', 'micromamba'].flatMap((name, index) => [
    `${index === 0 ? 'if' : 'else if'} ( x"\`alias ${name}\`" != x ) then`,
    `${name} ${argv}`,
    'set argv = ( $status )',
  ])
  const otherwise = step.otherwise.flatMap((next) => renderStep(next, context))
  return [...branches, 'else', 'set argv = ( 1 )', 'endif', 'if ( $1 ) then', ...otherwise, 'endif', 'set argv = ( )']
}
