import { execFile } from 'node:child_process'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ownUser } from '../platform/surroundings.ts'
import { isProgram } from './is-program.ts'

/** A copy that is to be seen at the original's own path. */
export interface Shown {
  /** The folder of a plain copy, or the file of an image. */
  kind: 'bind' | 'image'
  source: string
  /** The original's path, with symbolic links resolved. */
  target: string
  /** Other paths of the original, by other mounts. */
  alsoAt?: readonly string[]
  /** With an image: `squashfuse_ll`. */
  server?: string
}

const SCRIPT = fileURLToPath(new URL('./templates/namespace.sh', import.meta.url))

const SYSTEM = ['/usr/bin', '/bin', '/usr/sbin', '/sbin']

/** Not the environment's own: that may be what is to be covered. undefined: there is none. */
function unshare(): string | undefined {
  return SYSTEM.map((folder) => `${folder}/unshare`).find(isProgram)
}

/**
 * The words in front of a command that make it see the copy there, see `templates/namespace.sh`. The process stays the same.
 * Mounts that the machine makes later are seen (`slave`), and ours are seen by nobody else.
 * @param strict if the mount fails: end instead of running the command from the original
 */
export function showing(
  { kind, source, target, alsoAt = [], server = '' }: Shown,
  { strict }: { strict: boolean },
): string[] {
  const { uid, gid } = ownUser()
  const program = unshare() ?? 'unshare'
  const isRoot = uid === 0
  const names = isRoot ? ['', ''] : [`${uid}`, `${gid}`]
  const show = [
    '/bin/sh',
    SCRIPT,
    'show',
    kind,
    source,
    target,
    tokenOf(source),
    server,
    strict ? 'strict' : '',
    ...names,
  ]
  const also = alsoAt.flatMap((other) => ['/bin/sh', SCRIPT, 'also', target, other])
  const enter = isRoot ? [] : [program, '-U', '/bin/sh', SCRIPT, 'enter']
  return [program, isRoot ? '-m' : '-Urm', '--propagation', 'slave', ...show, ...also, ...enter]
}

/** By this others see whose mount an image is. One that is read where it lies is in no folder of a copy. */
function tokenOf(source: string): string {
  const folder = basename(dirname(source))
  return folder.startsWith('conda-stage_') ? folder : 'conda-stage_image'
}

/** Making the namespaces takes 10 ms. A file server that does not answer must not hold us for ever. */
const PROBE_MS = 20_000

/**
 * Tries to show something there, to a command that does nothing. No setting of the machine tells whether that works:
 * Ubuntu's AppArmor lets anybody make the namespace, and fails when something is mounted in it.
 * @returns why it does not work; undefined if it does
 */
export async function whyNotShown(shown: Shown): Promise<string | undefined> {
  if (unshare() === undefined) return 'the program unshare is missing (package util-linux)'
  const [program, ...args] = [...showing(shown, { strict: true }), 'true']
  const env = { PATH: SYSTEM.join(':'), LC_ALL: 'C' }
  return await new Promise((resolve) => {
    execFile(program!, args, { env, cwd: '/', timeout: PROBE_MS, killSignal: 'SIGKILL' }, (error, _, stderr) =>
      resolve(error === null ? undefined : reasonIn(stderr)),
    )
  })
}

/** What unshare(1) and mount(8) say (LC_ALL=C), and what it means here. */
function reasonIn(stderr: string): string {
  const said = stderr.split('\n').find((line) => /unshare|mount|fuse/.test(line) && !line.startsWith('ERROR')) ?? ''
  if (ownUser().uid === 0) return `root may not mount here${said && ` (${said})`}`
  if (/unshare.*No space left on device/.test(said))
    return 'user namespaces are switched off, or there are too many (user.max_user_namespaces)'
  if (/unshare.*Operation not permitted/.test(said)) return 'ordinary users may not make user namespaces here'
  if (/mount.*(?:permission denied|Permission denied|Operation not permitted)/.test(said))
    return 'nothing may be mounted in user namespaces here (AppArmor or another policy)'
  return `a private namespace can't be made here${said && ` (${said})`}`
}
