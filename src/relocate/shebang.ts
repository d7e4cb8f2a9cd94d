import type { BytePath } from '../model/byte-path.ts'

/** The kernel reads no more bytes of a script's first line, including '#!' but not the newline. */
const KERNEL_LIMIT = 127

/**
 * Length in bytes of a script's head, which starts its interpreter, without the line end. Undefined if the file is no
 * script.
 *
 * @param beginning of the file; a first line that is longer than that is no script's
 * @param complete whether that is the whole file
 */
export function headLength(beginning: Buffer, complete: boolean): number | undefined {
  const head = /^#![^\n]*(\n'''exec' [^\n]*)?/.exec(beginning.toString('latin1'))?.[0]
  return head === undefined || (head.length === beginning.length && !complete) ? undefined : head.length
}

/** Whether a prefix can stand in a shebang and in a line of sh without quotes. */
export const isPlain = (prefix: BytePath): boolean => /^[\w@%+=:,./\x80-\xff-]*$/.test(prefix)

/**
 * Makes a head work after the prefix in it was replaced by `to`. A line that is too long for the kernel, or whose
 * interpreter holds a blank, becomes a polyglot of sh and Python; for other interpreters it becomes a call of env.
 *
 * @param head latin1, with `to` already in it
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
  // Inside Python's ''' a backslash or another ''' would not mean what it means to sh.
  if (/^(python|pypy)[\d.]*[a-z]*$/.test(name) && !/\\|'''/.test(to)) {
    const words = [quote(to + below!), ...options.map((option) => (isPlain(option) ? option : quote(option)))]
    return `#!/bin/sh${POLYGLOT}${words.join(' ')} "$0" "$@"\n' '''`
  }
  return `#!/usr/bin/env ${[...(options.length > 0 ? ['-S'] : []), name, ...options].join(' ')}`
}

/** Line 1 belongs to sh. Line 2 runs `exec` in sh and begins a string in Python. */
const POLYGLOT = "\n'''exec' "

/** Quotes the interpreter, which begins at `at`, with or without quotes. */
function mendPolyglot(head: string, at: number, to: BytePath): string {
  if (isPlain(to)) return head
  const quoted = /^["']/.test(head.slice(at))
  const start = quoted ? at + 1 : at
  if (!head.startsWith(to, start)) return head
  const below = /^[^ \t"']*/.exec(head.slice(start + to.length))![0]
  const end = start + to.length + below.length + (quoted ? 1 : 0)
  return head.slice(0, at) + quote(to + below) + head.slice(end)
}

/** Quotes for sh without a backslash and without ''' in the result, because Python reads the line, too. */
function quote(text: string): string {
  return text.replace(/[$`"\\]+|[^$`"\\]+/g, (part) => (/[$`"\\]/.test(part) ? `'${part}'` : `"${part}"`))
}
