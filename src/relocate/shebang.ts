import type { BytePath } from '../model/byte-path.ts'

/** The kernel reads no more of a script's first line, '#!' included and the newline excluded. */
const KERNEL_LIMIT = 127

/**
 * The lines that start a script's interpreter, in latin1: `#!`; perhaps the declaration of an encoding, which Python reads in
 * line 2 only, or an empty comment in its place; perhaps a command with which sh starts the interpreter.
 */
const HEAD =
  /^(#![^\n]*)(\n(?!\f#\/ )[ \t\f]*#[^\n]*?coding[:=][^\n]*|\n#(?=\n\f#\/ ))?(\n(?:'''exec'|\f#\/ 2>\/dev\/null \|\| exec|exec) [^\n]*)?/

/**
 * Length of a script's head in bytes, without the last line end; undefined if the file is no script.
 *
 * @param beginning of the file. It holds the whole head, or `complete` is true.
 */
export function headLength(beginning: Buffer, complete: boolean): number | undefined {
  const head = HEAD.exec(beginning.toString('latin1'))?.[0]
  return head === undefined || (head.length === beginning.length && !complete) ? undefined : head.length
}

/** Whether a prefix can stand unquoted in a first line and in a line of sh. */
export const isPlain = (prefix: BytePath): boolean => /^[\w@%+=:,./\x80-\xff-]*$/.test(prefix)

/**
 * Makes a script's head work after the prefix in it was replaced by `to`. If the first line is too long for the kernel, or if
 * a blank in `to` splits it, sh starts Python and Perl by their path, and env finds other interpreters on PATH.
 *
 * @param head latin1, with `to` already in it
 */
export function mendHead(head: string, to: BytePath): string {
  // Hidden, the prefix has no blank and no line end that would count as one of the head's.
  const hide = (text: string) => text.replaceAll(`${to}/`, '\0/')
  const show = (text: string) => text.replaceAll('\0', to)
  const parts = HEAD.exec(hide(head))
  // The index may say so of any file.
  if (parts === null) return head
  const [, line, encoding = '', starter = ''] = parts
  if (line === '#!/bin/sh') return line + show(encoding) + mendStarter(show(starter), to)
  const command = commandOf(line!, to)
  if (command === undefined) return head
  const words = command.words.map(show)
  return firstLines({ ...command, words }, show(encoding), to) + show(starter)
}

interface Command {
  /** Assignments of variables, the interpreter, its options. */
  words: string[]
  /** Which of the words is the interpreter. */
  interpreter: number
}

/** What a first line runs; undefined if the line does not name the prefix, or works as it is. */
function commandOf(line: string, to: BytePath): Command | undefined {
  if (!line.includes('\0')) return undefined
  const text = line.slice(2).replace(/^[ \t]+|[ \t\r]+$/g, '')
  const [, program, argument = ''] = /^([^ \t]*)[ \t]*(.*)$/.exec(text)!
  const isEnv = /^(?:.*\/)?env$/.test(program!)
  const forEnv = isEnv ? /^(?:-S|--split-string[= ])[ \t]*(.*)$/.exec(argument)?.[1] : undefined
  const breaksAtBlank = program!.startsWith('\0') || forEnv !== undefined
  const length = line.replaceAll('\0', to).length
  if (length <= KERNEL_LIMIT && !(breaksAtBlank && /[ \t\n]/.test(to))) return undefined
  const words = forEnv === undefined ? wordsForKernel(argument) : wordsForEnv(forEnv)
  if (!isEnv) return { words: [program!, ...words], interpreter: 0 }
  const interpreter = words.findIndex((word) => !/^-|^\w+=/.test(word))
  return interpreter === -1 ? undefined : { words, interpreter }
}

/** The kernel passes the rest of the line as one argument, even if it was meant to be several plain options. */
const wordsForKernel = (argument: string): string[] =>
  /["'\\$]/.test(argument) ? [argument] : argument.split(/[ \t]+/).filter(Boolean)

/** The words that env -S splits its argument into. */
const wordsForEnv = (argument: string): string[] =>
  (argument.match(/(?:"[^"]*"|'[^']*'|[^ \t"'])+/g) ?? []).map((word) => word.replace(/["']/g, ''))

function firstLines({ words, interpreter }: Command, encoding: string, to: BytePath): string {
  const name = words[interpreter]!.replace(/^.*\//s, '')
  const quoted = words.map((word) => (isPlain(word) && !word.startsWith('/') ? word : quote(word)))
  const call = [...(interpreter > 0 ? ['/usr/bin/env'] : []), ...quoted].join(' ')
  if (!to.includes('\n')) {
    if (/^(python|pypy)[\d.]*[a-z]*$/.test(name)) return `#!/bin/sh${startPython(call, encoding)}`
    // Perl skips all lines before one with '#!' and 'perl'.
    if (/^perl[\d.]*$/.test(name)) return `#!/bin/sh${encoding}\nexec ${call} -x "$0" "$@"\n#!perl`
  }
  const found = words.with(interpreter, name).map(quoteForEnv)
  return `#!/usr/bin/env ${found.length > 1 ? '-S ' : ''}${found.join(' ')}${encoding}`
}

/**
 * A line that sh runs and Python skips: to Python it is a form feed, which counts as a blank, and a comment; to sh it is the
 * name of a program that can't exist. So a docstring stays the first statement, and imports from `__future__` come first.
 */
function startPython(call: string, encoding: string): string {
  const line = `\f#/ 2>/dev/null || exec ${call} "$0" "$@"`
  // In line 2, Python would take such a comment for a declaration.
  const isMistakable = encoding === '' && /coding[:=]/.test(line)
  return `${isMistakable ? '\n#' : encoding}\n${line}`
}

/** Quotes the interpreter in a line of sh that starts it. It may be quoted already. */
function mendStarter(line: string, to: BytePath): string {
  const [start = ''] = /^.*?exec'? /s.exec(line) ?? []
  const isQuoted = /^["']/.test(line.slice(start.length))
  const at = start.length + (isQuoted ? 1 : 0)
  if (isPlain(to) || !line.startsWith(to, at)) return line
  const below = /^[^ \t"']*/.exec(line.slice(at + to.length))![0]
  const end = at + to.length + below.length + (isQuoted ? 1 : 0)
  return start + quote(to + below) + line.slice(end)
}

/** For sh, without a backslash and without three single quotes in a row, because Python may read the line as a string. */
function quote(text: string): string {
  return text.replace(/[$`"\\]+|[^$`"\\]+/g, (part) => (/[$`"\\]/.test(part) ? `'${part}'` : `"${part}"`))
}

const quoteForEnv = (word: string): string => (isPlain(word) ? word : `'${word.replace(/[\\']/g, '\\$&')}'`)
