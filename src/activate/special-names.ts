import type { DialectName } from './dialects.ts'

/** The variables that a shell treats in a way of its own. A test tries all that the real shells have. */
interface Special {
  /** Nobody can set them, they don't keep a value, or setting them disturbs the shell. Any of that may end the session. */
  fixed: string
  /** What is assigned is evaluated as an expression, which may contain commands. A plain number stays what it is. */
  numbers?: string
}

const OF_BASH: Required<Special> = {
  fixed: `BASHOPTS BASHPID DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME FUNCNEST GROUPS HISTCMD LINENO PIPESTATUS PPID
    RANDOM SHELLOPTS SRANDOM UID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND BASH_COMPAT
    BASH_EXECUTION_STRING BASH_LINENO BASH_LOADABLES_PATH BASH_MONOSECONDS BASH_REMATCH BASH_SOURCE BASH_SUBSHELL
    BASH_TRAPSIG BASH_VERSINFO BASH_VERSION BASH_XTRACEFD`,
  numbers: 'OPTIND SECONDS',
}

const OF_TCSH: Special = { fixed: 'LSCOLORS' }

const SPECIAL: Record<DialectName, Special> = {
  bash: OF_BASH,
  zsh: {
    fixed: `ARGC ARGV0 EGID EUID FUNCNEST GID HISTCHARS HISTCMD KEYBOARD_HACK LINENO PPID RANDOM TTYIDLE UID USERNAME WATCH
      ZSH_EVAL_CONTEXT ZSH_SUBSHELL TRY_BLOCK_ERROR TRY_BLOCK_INTERRUPT aliases argv builtins cdpath commands dirstack
      dis_aliases dis_builtins dis_functions dis_functions_source dis_galiases dis_patchars dis_reswords dis_saliases fignore
      fpath funcfiletrace funcsourcetrace funcstack functions functions_source functrace galiases histchars history
      historywords jobdirs jobstates jobtexts keymaps mailpath manpath module_path modules nameddirs options parameters
      patchars pipestatus psvar reswords saliases signals status termcap terminfo userdirs usergroups watch widgets
      zsh_eval_context zsh_scheduled_events`,
    numbers: `COLUMNS ERRNO HISTSIZE KEYTIMEOUT LINES LISTMAX MAILCHECK OPTIND SAVEHIST SECONDS SHLVL TMOUT
      ZLE_RPROMPT_INDENT BAUD DIRSTACKSIZE LOGCHECK PERIOD`,
  },
  // dash, the ash of busybox, mksh, ksh93, yash; and bash, where that is sh.
  sh: {
    fixed: `${OF_BASH.fixed} JOBMAX KSHEGID KSHGID KSHUID KSH_VERSION OPTIND PGRP SECONDS USER_ID`,
    numbers: 'COLUMNS HISTSIZE LINES MAILCHECK SHLVL TMOUT',
  },
  fish: {
    fixed: `FISH_VERSION PWD SHLVL argv fish_kill_signal fish_killring fish_pid history hostname pipestatus status
      status_generation umask version`,
  },
  tcsh: OF_TCSH,
  csh: OF_TCSH,
}

/** Shells run these as commands, or what stands in `$(...)` or backquotes in them: at each prompt and in traces. */
const CODE = /^(?:PROMPT_COMMAND|PS[0-4]|PROMPT[234]?|RPROMPT2?|RPS[12]|SPROMPT|PROMPT_EOL_MARK|prompt)$/

/** In the names of files that these hold, shells expand the same. */
const FILES = /^(?:ENV|BASH_ENV|MAILPATH)$/

/** conda's own state, and what the parts of conda-stage tell one another. */
const OURS =
  /^(?:CONDA_(?:SHLVL|DEFAULT_ENV|PROMPT_MODIFIER|PREFIX(?:_\d+)?|STACKED_\d+)|__CONDA_SHLVL_\d+_\w*|__CONDA_STAGE_\w*)$/

/** Linux gives no program a variable of more than 128 KiB: with one in the session, every command fails. */
const MOST_BYTES = 128 * 1024 - 2

const tables = new Map<DialectName, { fixed: ReadonlySet<string>; numbers: ReadonlySet<string> }>()

function tableOf(dialect: DialectName): { fixed: ReadonlySet<string>; numbers: ReadonlySet<string> } {
  const { fixed, numbers = '' } = SPECIAL[dialect]
  const table = tables.get(dialect) ?? { fixed: new Set(fixed.split(/\s+/)), numbers: new Set(numbers.split(/\s+/)) }
  tables.set(dialect, table)
  return table
}

/**
 * Why a session must not get this variable of an environment: the shell would refuse it, evaluate it or hold another value.
 * Undefined if nothing speaks against it.
 * @param name as it is exported
 */
export function whyRefused(dialect: DialectName, name: string, value: string): string | undefined {
  const { fixed, numbers } = tableOf(dialect)
  if (name.length + Buffer.byteLength(value) > MOST_BYTES) return 'no program could start with a value of that size'
  if (value.includes('\0')) return 'no variable can hold its value, which contains NUL'
  if (!value.isWellFormed()) return 'no variable can hold its value, which is not Unicode'
  if (OURS.test(name)) return 'it belongs to conda'
  if (fixed.has(name) || name === '_') return `${dialect} keeps it for itself`
  if (CODE.test(name)) return 'shells evaluate it'
  if (FILES.test(name) && /[$`]/.test(value)) return 'shells would evaluate its value'
  if (numbers.has(name) && !/^(?:0|[1-9]\d{0,8})$/.test(value)) return `${dialect} would evaluate its value`
  return undefined
}
