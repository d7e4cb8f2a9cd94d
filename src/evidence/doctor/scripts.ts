import { wordPosix } from '../../activate/quote.ts'
import { readSmall } from '../../platform/read-small.ts'
import { exists, readdir, readlink } from '../../platform/remote-fs.ts'
import { WRAPPER_LINE } from '../../wrappers/wrapper.ts'
import { bad, type Check, type Finding, note, type Patient } from './finding.ts'

/** The user's own programs, which come before or behind the environment's in PATH. */
export const scriptChecks: Readonly<Record<string, Check>> = {
  'scripts in your home': async (patient) => {
    const found = await Promise.all(
      ['bin', '.local/bin'].map(async (folder) => {
        const names = (await readdir(`${patient.home}/${folder}`).catch(() => [])).slice(0, MOST_FILES)
        return await Promise.all(
          names.map(async (name) => ({
            name: `~/${folder}/${name}`,
            is: await kindOf(`${patient.home}/${folder}/${name}`, patient),
          })),
        )
      }),
    )
    const of = (kind: Kind) => found.flat().flatMap(({ name, is }) => (is === kind ? [name] : []))
    const [dead, leading] = [of('dead'), of('leading')]
    return [...(dead.length === 0 ? [] : [lost(dead)]), ...(leading.length === 0 ? [] : [toOriginal(leading, patient)])]
  },
}

type Kind = 'dead' | 'leading'

function lost(names: readonly string[]): Finding {
  const [verb, which] = names.length === 1 ? ['starts', 'it'] : ['start', 'them']
  const says = `${someOf(names)} ${verb} the Python of a copy that is gone`
  return bad(
    'scripts in your home',
    says,
    `Install ${which} again from the original, with pip install --user --force-reinstall, or remove ${which}.`,
  )
}

function toOriginal(names: readonly string[], { original }: Patient): Finding {
  const says = `${someOf(names)} ${names.length === 1 ? 'leads' : 'lead'} to the original`
  const wrappers = `conda-stage --wrappers=DIR --prefix=${wordPosix(original!)}`
  return note(
    'scripts in your home',
    says,
    `Begin scripts with '#!/usr/bin/env python'; or '${wrappers}', and name DIR/bin instead.`,
  )
}

const MOST_SHOWN = 5

const someOf = (names: readonly string[]): string =>
  `${names.slice(0, MOST_SHOWN).join(', ')}${names.length > MOST_SHOWN ? ` and ${names.length - MOST_SHOWN} more` : ''}`

const MOST_FILES = 200
/** A script that is longer is a program of its own, or has its interpreter in its first line all the same. */
const MOST_BYTES = 64 * 1024

async function kindOf(path: string, { original, isSilent }: Patient): Promise<Kind | undefined> {
  const target = await readlink(path).catch(() => undefined)
  const text = target ?? (await readSmall(path, MOST_BYTES).then(String, () => ''))
  if (text.includes(WRAPPER_LINE)) return undefined
  if (original !== undefined && text.includes(`${original}/`)) return 'leading'
  const program = target ?? /^#!\s*(\S+)/.exec(text)?.[1]
  if (!program?.includes('/conda-stage_') || isSilent(program)) return undefined
  return (await exists(program)) ? undefined : 'dead'
}
