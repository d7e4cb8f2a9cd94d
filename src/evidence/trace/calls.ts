/** A system call that looks a name up. */
export interface FileCall {
  /** As the kernel names it: `openat`. */
  name: string
  /** Absolute, as the program put it together; undefined if nobody knows what it is relative to. */
  path: string | undefined
  /** Whether the call follows a symbolic link that has this very name. */
  follows: boolean
  /** The name was there. Other failures, such as a missing right, are answers, too. */
  found: boolean
  /** The call has succeeded. */
  succeeded: boolean
}

/** Calls of which the first path is only a text, which is not looked up. */
const TEXT_FIRST = /^symlink(?:at)?$/
const TWO_PATHS = /^(?:rename|link)/
/** Asks for no name. */
const NO_LOOK_UP = /^(?:getcwd|fchdir|fork|vfork|clone3?|io_uring_setup)$/
const NOT_FOLLOWED =
  /^(?:l(?:stat|chown|(?:get|set|list|remove)xattr)|link|readlink|rename|symlink|unlink|mkdir|rmdir|mknod)/

export interface Listener {
  onCall(call: FileCall): void
  /** A process has a way to look names up without calls (io_uring), which shows in no trace. */
  onUnseen(): void
}

export interface CallReader {
  line(text: string): void
  /** Tells of what is still relative to a folder that never became known. */
  end(): void
}

/** What threads share, and processes only if they ask for it. */
interface Folder {
  path: string
}

interface Process {
  /** undefined until the call that began this process returns in its parent. */
  folder: Folder | undefined
  /** What is relative to a folder that is not known yet. */
  early: ((folder: Folder | undefined) => void)[]
  /** The beginning of a call that was interrupted by another process's line. */
  unfinished: string
  /** It is gone, and its parent's call has not returned yet. */
  hasEnded?: boolean
}

/**
 * Reads the lines that `strace -f -y` writes. strace(1), "Output format": a process number, the call, ` = `, the answer. A call that
 * another process interrupts is continued in a later line.
 * @param cwd of the first process
 */
export function callReader(cwd: string, { onCall, onUnseen }: Listener): CallReader {
  const processes = new Map<string, Process>()
  const processOf = (pid: string): Process => {
    const known = processes.get(pid)
    if (known) return known
    // Only the first one has no parent in the trace.
    const folder = processes.size === 0 ? { path: cwd } : undefined
    const own: Process = { folder, early: [], unfinished: '' }
    processes.set(pid, own)
    return own
  }
  const whenKnown = (own: Process, body: (folder: Folder | undefined) => void): void => {
    if (own.folder) body(own.folder)
    else own.early.push(body)
  }
  const begin = (parent: Process, pid: string, shares: boolean): void => {
    const child = processOf(pid)
    whenKnown(parent, (folder) => {
      child.folder = shares || !folder ? folder : { ...folder }
      for (const body of child.early.splice(0)) body(child.folder)
      if (child.hasEnded) processes.delete(pid)
    })
  }
  const read = (line: string): void => {
    const [, pid, text] = /^(\d+) +(.*)$/s.exec(line) ?? []
    if (pid === undefined) return
    const own = processOf(pid)
    if (text!.startsWith('+++ exited') || text!.startsWith('+++ killed')) {
      if (own.folder) processes.delete(pid)
      else own.hasEnded = true
      return
    }
    const whole = joined(own, text!)
    const [, name, args, answer] = /^(\w+)\((.*)\) += (.*)$/s.exec(whole ?? '') ?? []
    if (name === undefined) return
    if (/^(?:v?fork|clone3?)$/.test(name)) {
      const child = /^\d+/.exec(answer!)?.[0]
      if (child !== undefined) begin(own, child, /\bCLONE_FS\b/.test(args!))
      return
    }
    if (name === 'io_uring_setup' && !answer!.startsWith('-')) onUnseen()
    for (const { at, text } of pathsOf(name, args!)) {
      const tell = (path: string | undefined) => onCall({ name, path, ...outcome(name, args!, answer!) })
      if (text.startsWith('/')) tell(text)
      else if (at !== undefined) tell(`${at}/${text}`)
      else whenKnown(own, (folder) => tell(folder && `${folder.path}/${text}`))
    }
    if (answer!.startsWith('0')) move(name, args!, (to) => whenKnown(own, (folder) => folder && to(folder)))
  }
  const end = (): void => {
    for (const { early } of processes.values()) for (const body of early.splice(0)) body(undefined)
  }
  return { line: read, end }
}

/** The whole line of a call, or undefined while it is not complete. */
function joined(own: Process, text: string): string | undefined {
  if (text.endsWith(' <unfinished ...>')) {
    own.unfinished = text.slice(0, -' <unfinished ...>'.length)
    return undefined
  }
  const rest = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text)?.[1]
  return rest === undefined ? text : own.unfinished + rest
}

function outcome(name: string, args: string, answer: string): Pick<FileCall, 'follows' | 'found' | 'succeeded'> {
  return {
    follows: !NOT_FOLLOWED.test(name) && !/\b(?:O|AT_SYMLINK)_NOFOLLOW\b/.test(args),
    found: !/^-1 (?:ENOENT|ENOTDIR)\b/.test(answer),
    succeeded: !answer.startsWith('-1') && !answer.startsWith('?'),
  }
}

/** `chdir` and `fchdir` change what later names are relative to. */
function move(name: string, args: string, apply: (to: (folder: Folder) => void) => void): void {
  if (name === 'chdir') {
    const text = pathsOf(name, args)[0]?.text
    if (text !== undefined)
      apply((folder) => {
        folder.path = text.startsWith('/') ? text : `${folder.path}/${text}`
      })
  }
  const open = name === 'fchdir' ? /^\d+<(\/.*)>$/s.exec(args)?.[1] : undefined
  if (open !== undefined)
    apply((folder) => {
      folder.path = unescaped(open)
    })
}

interface PathText {
  /** The folder that the call names by a descriptor. */
  at: string | undefined
  text: string
}

/** A path may follow a descriptor, of which `-y` tells the folder. */
const PATH = /^(?:(?:AT_FDCWD|-?\d+)(?:<((?:[^>\\]|\\.)*)>)?, )?"((?:[^"\\]|\\.)*)"(?:, )?/s

/** The paths at the beginning of a call's arguments. An empty one stands for the descriptor itself, which is open already. */
function pathsOf(name: string, args: string): PathText[] {
  if (NO_LOOK_UP.test(name)) return []
  let rest = TEXT_FIRST.test(name) ? args.replace(/^"(?:[^"\\]|\\.)*", /s, '') : args
  const found: PathText[] = []
  for (let left = TWO_PATHS.test(name) ? 2 : 1; left > 0; left--) {
    const [all, at, text] = PATH.exec(rest) ?? []
    if (all === undefined) break
    rest = rest.slice(all.length)
    if (text !== '') found.push({ at: at?.startsWith('/') ? unescaped(at) : undefined, text: unescaped(text!) })
  }
  return found
}

const NAMED: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12 }

/** strace writes bytes that are no ASCII, and some that are, as in C. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  const bytes = text.replace(/\\([0-7]{1,3}|.)/gs, (_, code: string) =>
    String.fromCharCode(/^[0-7]/.test(code) ? Number.parseInt(code, 8) : (NAMED[code] ?? code.charCodeAt(0))),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
