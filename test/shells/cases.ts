/** What the tests have the shells do, and how each shell says it. */
import { dialects } from '../../src/activate/dialects.ts'
import { type AnyShell, type Dump, FISH, SHELLS, TCSH } from './world.ts'

export interface TestShell extends AnyShell {
  quote(text: string): string
  /** Exports a variable. Variables in the value are expanded. */
  set(name: string, value: string): string
  /** Sets the prompt; nothing in fish, whose prompt is a function. */
  prompt(value: string): string
  /** `otherwise` runs if the command fails. */
  or(command: string, otherwise: string): string
  /** Exit status of the last command. */
  status: string
  /** Shadows builtins and programs by functions or aliases that print `bad`. */
  shadow: string
  /** Code of a script for activate.d or deactivate.d. */
  script: { addToPath(folder: string): string; dropFirstOfPath: string; say(word: string): string }
  /** Whether the prompt is `text`, as far as the shell has one. */
  showsPrompt(dump: Dump, text: string): boolean
}

const posix: Omit<TestShell, keyof AnyShell> = {
  quote: dialects.sh.quote,
  set: (name, value) => `export ${name}="${value}"`,
  prompt: (value) => `PS1=${dialects.sh.quote(value)}`,
  or: (command, otherwise) => `${command} || ${otherwise}`,
  status: '$?',
  // A function can't replace a special builtin in POSIX sh, but an alias can.
  shadow: `for name in cd rm cat test hash command printf; do eval "$name() { echo bad; }"; done
    unset -f command; for name in set unset export return eval; do alias "$name=echo bad"; done`,
  script: {
    addToPath: (folder) => `PATH="${folder}:$PATH"\n`,
    dropFirstOfPath: `PATH="\${PATH#*:}"\n`,
    say: (word) => `echo ${word} >&2\n`,
  },
  showsPrompt: ({ rest }, text) =>
    rest.some((line) => line.startsWith('PS1=') && line.replaceAll(/['"\\$]/g, '').includes(text.replace('$', ''))),
}

/** What else can be shadowed where functions may replace special builtins. */
const SPECIAL =
  'for name in set return unset export hash rehash typeset alias : eval; do eval "$name() { echo bad; }"; done'

const fish: Omit<TestShell, keyof AnyShell> = {
  quote: dialects.fish.quote,
  set: (name, value) => `set -gx ${name} "${value}"`,
  prompt: () => '',
  or: (command, otherwise) => `${command}; or ${otherwise}`,
  status: '$status',
  shadow: 'for name in source functions cd rm cat printf; function $name; builtin echo bad; end; end',
  script: {
    addToPath: (folder) => `set -gx PATH ${folder} $PATH\n`,
    dropFirstOfPath: 'set -gx PATH $PATH[2..-1]\n',
    say: (word) => `echo ${word} >&2\n`,
  },
  showsPrompt: () => true,
}

const tcsh: Omit<TestShell, keyof AnyShell> = {
  quote: dialects.tcsh.quote,
  set: (name, value) => `setenv ${name} "${value.replaceAll(/\$(\w+)/g, `\${$1}`)}"`,
  prompt: (value) => `set prompt = ${dialects.tcsh.quote(value)}`,
  or: posix.or,
  status: '$status',
  shadow: `foreach name ( setenv unsetenv source exit exec shift rehash rm cd mktemp sh env )
      alias $name 'echo bad'
    end`,
  script: {
    addToPath: (folder) => `set path = ( ${folder} $path:q )\n`,
    dropFirstOfPath: 'set path = ( $path[2-]:q )\n',
    say: (word) => `sh -c "echo ${word} 1>&2"\n`,
  },
  showsPrompt: ({ rest }, text) => rest.includes(`prompt\t${text}`),
}

export const EVERY_SHELL: readonly TestShell[] = [
  ...SHELLS.map((shell) => ({
    ...shell,
    ...posix,
    ...((shell.name === 'bash' || shell.name === 'zsh') && { shadow: SPECIAL }),
  })),
  { ...FISH, ...fish },
  { ...TCSH, ...tcsh },
]

/** The same scripts for each kind of shell, by path below etc/conda. */
export const scriptsOf = (name: string, code: (script: TestShell['script']) => string): Record<string, string> => ({
  [`${name}.sh`]: code(posix.script),
  [`${name}.fish`]: code(fish.script),
  [`${name}.csh`]: code(tcsh.script),
})

/** How the environment `my` may have become active: the last command is the one that `conda deactivate` reverts. */
export const WAYS = {
  'with nothing underneath': 'conda activate my',
  'with base underneath': 'conda activate base; conda activate my',
  'with another one underneath': 'conda activate other; conda activate my',
  'stacked on another one': 'conda activate other; conda activate --stack my',
}

export const NASTY_NAME = `-it's "$HOME" \`x\` \\ é*[a]\n!`

/** As conda, or something like it, would leave a session in which the environment is active. */
export const active = (prefix: string, path = '/usr/bin:/bin') => ({
  CONDA_PREFIX: prefix,
  CONDA_SHLVL: '1',
  CONDA_DEFAULT_ENV: 'my',
  CONDA_PROMPT_MODIFIER: '(my) ',
  PATH: `${prefix}/bin:${path}`,
})
