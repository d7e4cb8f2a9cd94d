import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { errnoOf } from '../../platform/errno.ts'

/** The system's own: that of an environment may be the one that is looked at. */
const PYTHONS = ['/usr/bin/python3', '/usr/libexec/platform-python']

/** Reasons why extended attributes keep an environment from being retired. Access lists and capabilities are such attributes, too. */
export async function attributeReasons(root: string): Promise<string[]> {
  const program = readFileSync(new URL('./templates/attributes.py', import.meta.url), 'utf8')
  for (const python of PYTHONS) {
    const said = await outputOf(python, ['-I', '-S', '-c', program, root])
    if (said === undefined) continue
    if ('failure' in said) return [`whether it has extended attributes can't be known: ${said.failure}`]
    return summary(said.text.split('\n').flatMap((line) => reasonIn(line, root) ?? []))
  }
  return [`whether it has extended attributes can't be known without ${PYTHONS[0]}`]
}

/** Undefined if there is no such program. */
function outputOf(program: string, args: string[]): Promise<{ text: string } | { failure: string } | undefined> {
  const options = { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, maxBuffer: 1 << 28, cwd: '/' }
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error && errnoOf(error) === 'ENOENT') resolve(undefined)
      else if (error) resolve({ failure: stderr.trim().split('\n').at(-1) || error.message })
      else resolve({ text: stdout })
    })
  })
}

function reasonIn(line: string, root: string): string | undefined {
  const [path = '', name = '', value = ''] = line.split(' ')
  if (name === '' || IS_OF_SYSTEM.test(name) || (name === 'system.nfs4_acl' && isPlainList(value))) return undefined
  const shown = Buffer.from(path, 'hex').toString('utf8')
  const what = name.includes('acl')
    ? 'an access list'
    : name === 'security.capability'
      ? 'capabilities'
      : 'an attribute'
  return `${shown === root ? 'its folder' : shown.slice(root.length + 1)} has ${what} (${name})`
}

/** The system gives these to any file by itself. */
const IS_OF_SYSTEM = /^(?:security\.selinux|lustre\.lov|trusted\.lov|system\.gpfs\.|btrfs\.)/

/**
 * An NFSv4 server gives each file a list. One that says no more than the mode has only these three in it.
 * The value: a count, and for each entry type, flags and mask in 4 bytes each, and a counted name, padded to 4 bytes.
 */
function isPlainList(hex: string): boolean {
  const bytes = Buffer.from(hex, 'hex')
  let at = 4
  while (at + 16 <= bytes.length) {
    const size = bytes.readUInt32BE(at + 12)
    const who = bytes.toString('latin1', at + 16, at + 16 + size)
    if (!['OWNER@', 'GROUP@', 'EVERYONE@'].includes(who)) return false
    at += 16 + size + ((4 - (size % 4)) % 4)
  }
  return at === bytes.length
}

const SHOWN = 3

const summary = (reasons: string[]): string[] =>
  reasons.length <= SHOWN ? reasons : [...reasons.slice(0, SHOWN), `and ${reasons.length - SHOWN} more have attributes`]
