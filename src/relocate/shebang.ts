import type { BytePath } from '../model/byte-path.ts'

/** The kernel reads no more of a script's first line, '#!' included and the newline not. */
const KERNEL_LIMIT = 127

/**
 * Bytes of a script's head that start its interpreter, line end excluded; undefined if it is no script.
 *
 * @param beginning of the file, long enough that a line that does not end in it is none
 */
export function headLength(beginning: Buffer, complete: boolean): number | undefined {
  const head = /^#![^\n]*(\n'''exec' [^\n]*)?/.exec(beginning.toString('latin1'))?.[0]
  return head === undefined || (head.length === beginning.length && !complete) ? undefined : head.length
}

/** Whether a prefix can stand in a shebang and in a line of sh as it is. */
export const isPlain = (prefix: BytePath): boolean => /^[\w@%+=:,./\x80-\xff-]*$/.test(prefix)

/**
 * Makes a head work in which the prefix was replaced by `to`: a line too long for the kernel, or one whose interpreter
 * holds a blank, becomes a polyglot of sh and Python, or a call of env where the interpreter is another one.
 *
 * @param head latin1, `to` already in it
 */
export function mendHead(head: string, to: BytePath): string {
  const polyglot = head.indexOf(POLYGLOT)
  if (polyglot !== -1) return mendPolyglot(head, polyglot + POLYGLOT.length, to)
  const start = /^#![ \t]*/.exec(head)![0].length
  if (!head.startsWith(`${to}/`, start)) return head
  if (head.length <= KERNEL_LIMIT && !/[ \t\n]/.test(to)) return head
  const [, below, rest] = /^([^ \t]*)[ \t]*(.*)$/s.exec(head.slice(start + to.length))!
  const name = below!.slice(below!.lastIndexOf('/') + 1)
  const options = rest!.split(/[ \t\r]+/).filter(Boolean)
  // Within Python's ''' a backslash or another ''' would not mean what it means to sh.
  if (/^(python|pypy)[\d.]*[a-z]*$/.test(name) && !/\\|'''/.test(to)) {
    const words = [quote(to + below!), ...options.map((option) => (isPlain(option) ? option : quote(option)))]
    return `#!/bin/sh${POLYGLOT}${words.join(' ')} "$0" "$@"\n' '''`
  }
  return `#!/usr/bin/env ${[...(options.length > 0 ? ['-S'] : []), name, ...options].join(' ')}`
}

/** Line 1 is sh's; line 2 runs `exec` for sh and begins a string for Python. */
const POLYGLOT = "\n'''exec' "

/** Quotes the interpreter, which stands at `at` with or without quotes. */
function mendPolyglot(head: string, at: number, to: BytePath): string {
  if (isPlain(to)) return head
  const quoted = /^["']/.test(head.slice(at))
  const start = quoted ? at + 1 : at
  if (!head.startsWith(to, start)) return head
  const below = /^[^ \t"']*/.exec(head.slice(start + to.length))![0]
  const end = start + to.length + below.length + (quoted ? 1 : 0)
  return head.slice(0, at) + quote(to + below) + head.slice(end)
}

/** For sh, without a backslash and without three single quotes in a row: between them Python reads the line too. */
function quote(text: string): string {
  return text.replace(/[$`"\\]+|[^$`"\\]+/g, (part) => (/[$`"\\]/.test(part) ? `'${part}'` : `"${part}"`))
}
