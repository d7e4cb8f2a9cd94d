/** What a page of the documentation asks its readers to do: run commands, whose output it shows, and write files. */
import assert from 'node:assert/strict'

export interface Command {
  /** Of the page, from 1. */
  line: number
  prompt: string
  text: string
  /** The lines of its output; `...` stands for any number of lines. */
  prints: string[]
}

export interface Page {
  /** In the order of the page. Each block continues the session of the one before. */
  commands: Command[]
  /** By the name in front of the block. */
  files: Map<string, string>
}

const PROMPT = /^((?:\([^()]+\) )?\$ )(.*)$/
const FENCE = /^\s*(?:```|~~~)/
const NAME = /`([^`\s]+)`[^`]*:$/

/** Throws for a block that is neither, because no test would look at it. */
export function readPage(markdown: string): Page {
  const page: Page = { commands: [], files: new Map() }
  const lines = markdown.split('\n')
  for (let at = 0; at < lines.length; at++) {
    if (!FENCE.test(lines[at]!)) continue
    assert.ok(
      lines[at]!.startsWith('```'),
      `line ${at + 1}: a block begins with three backquotes at the start of its line`,
    )
    const end = lines.indexOf('```', at + 1)
    assert.ok(end > at, `line ${at + 1}: a block without end`)
    const block = lines.slice(at + 1, end)
    if (lines[at] === '```console') page.commands.push(...commandsOf(block, at + 2))
    else page.files.set(nameBefore(lines, at), `${block.join('\n')}\n`)
    at = end
  }
  return page
}

/** The commands of a page that has blocks of other kinds as well. What has a prompt must be in a console block, or nobody would run it. */
export function sessionsOf(markdown: string): Command[] {
  const commands: Command[] = []
  const lines = markdown.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const fence = FENCE.exec(lines[at]!)
    if (!fence) continue
    const end = lines.findIndex((line, later) => later > at && line.trim() === '```')
    assert.ok(end > at, `line ${at + 1}: a block without end`)
    const block = lines.slice(at + 1, end)
    if (lines[at] === '```console') commands.push(...commandsOf(block, at + 2))
    else assert.ok(!block.some((line) => PROMPT.test(line.trim())), `line ${at + 1}: a session is a console block`)
    at = end
  }
  return commands
}

function commandsOf(block: string[], first: number): Command[] {
  const commands: Command[] = []
  for (const [at, line] of block.entries()) {
    const [, prompt, text] = PROMPT.exec(line) ?? []
    if (prompt !== undefined) commands.push({ line: first + at, prompt, text: text!, prints: [] })
    else (commands.at(-1) ?? assert.fail(`line ${first + at}: a console block begins with a command`)).prints.push(line)
  }
  assert.ok(commands.length > 0, `line ${first}: a console block without a command`)
  return commands
}

function nameBefore(lines: string[], at: number): string {
  const before = lines.slice(0, at).findLast((line) => line !== '') ?? ''
  const [, name] =
    NAME.exec(before) ?? assert.fail(`line ${at + 1}: neither a console block nor a file with its name in front`)
  return name!
}
