import { lstat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type Environment, findEnvironment } from '../environment/find.ts'
import { StageError } from '../errors.ts'
import { activePrefix } from '../model/active.ts'
import type { ArchiveFormat } from '../model/archive-index.ts'
import { IN_A_COPY } from '../model/copy-of-base.ts'
import type { ProgressEvent } from '../model/progress.ts'
import { surroundings } from '../platform/surroundings.ts'
import { findStage } from '../stage/record.ts'
import type { PackOptions, StageOptions } from './options.ts'

/** Options with defaults filled in, and the warnings so far, for the result. */
export type Filled<Options extends PackOptions> = Options &
  Required<Pick<PackOptions, 'env' | 'cwd' | 'onProgress' | 'format' | 'check'>> & {
    uid: number
    warnings: string[]
    /** The paths of the original, once it is known: no copy is made in it. */
    outside?: readonly string[]
  }

export function fillIn<Options extends PackOptions>(options: Options): Filled<Options> {
  const warnings: string[] = []
  const onProgress = (event: ProgressEvent) => {
    if (event.kind === 'warning') warnings.push(event.message)
    options.onProgress?.(event)
  }
  return { format: 'tar.zst', check: 'quick', ...surroundings(), ...options, onProgress, warnings }
}

/**
 * The environment that is meant, or its original if it is a staged copy.
 * @throws StageError NO_ENVIRONMENT, NOT_AN_ENVIRONMENT, BASE_REFUSED
 */
export async function originalOf(given: PackOptions): Promise<Environment> {
  const options = fillIn(given)
  await assertNotOfOthers(options)
  const { prefix } = await findEnvironment(options)
  const staged = await findStage(prefix)
  return await findOriginal(staged ? { ...options, prefix: staged.record.original } : options)
}

/**
 * The copy of another user is active in a session that has taken over their variables, as by `su` without a login shell. For root it would
 * be an environment as any other, and its archive would go into their copy.
 * @throws StageError ALREADY_STAGED
 */
async function assertNotOfOthers({ prefix, env, cwd, uid }: Filled<PackOptions>): Promise<void> {
  const wanted = resolve(cwd, prefix ?? activePrefix(env) ?? '/')
  if (!IN_A_COPY.test(wanted)) return
  const owner = await lstat(dirname(wanted)).catch(() => undefined)
  if (owner === undefined || owner.uid === uid) return
  throw new StageError('ALREADY_STAGED', `${wanted} is a staged copy of another user`, {
    path: wanted,
    hint: "Only they can use it. Open a shell of your own ('su - NAME' instead of 'su NAME'), or name an environment with --prefix=ENV.",
  })
}

/** Under which an environment is never changed. */
export const pathsOf = ({ prefix, real }: Pick<Environment, 'prefix' | 'real'>): string[] => [prefix, real]

/**
 * The environment that is meant, if it may be packed.
 * @throws StageError NO_ENVIRONMENT, NOT_AN_ENVIRONMENT, ALREADY_STAGED, BASE_REFUSED
 */
export async function findOriginal(options: Filled<PackOptions>): Promise<Environment> {
  await assertNotOfOthers(options)
  const environment = await findEnvironment(options)
  const staged = await findStage(environment.prefix)
  if (staged) {
    throw new StageError('ALREADY_STAGED', `${environment.prefix} is a staged copy of ${staged.record.original}`, {
      path: environment.prefix,
      hint: "Go back to the original with 'conda-stage --unstage' first.",
    })
  }
  if (environment.kind === 'venv' && options.packer === 'conda-pack') {
    throw new StageError('USAGE', `conda-pack can't pack ${environment.prefix}, which is a virtual environment`, {
      path: environment.prefix,
      hint: 'Let conda-stage pack it: --packer=own.',
    })
  }
  if (environment.isBase && !options.allowBase) {
    throw new StageError(
      'BASE_REFUSED',
      `${environment.prefix} is a base environment; those are not staged by default`,
      {
        path: environment.prefix,
        hint: 'Create an environment of your own (conda create), or allow this one with CONDA_STAGE_ALLOW_BASE=true.',
      },
    )
  }
  return environment
}

/**
 * The format of the archive that a copy of this form is made from.
 * @throws StageError USAGE if an image is to be extracted
 */
export function formatFor({ format, form }: Filled<StageOptions>): ArchiveFormat {
  if (form === 'image') return 'sqfs'
  if (format !== 'sqfs') return format
  throw new StageError('USAGE', 'an image is mounted, not extracted', {
    hint: "'conda-stage --pack --format=squashfs' makes one, and 'conda-stage --exec -- COMMAND' runs from it.",
  })
}
