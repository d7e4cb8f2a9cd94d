import { StageError } from '../errors.ts'
import type { Variables } from '../platform/job.ts'
import type { Launcher, LauncherName } from './launcher.ts'
import { srun } from './launchers/srun.ts'

/** Each needs the variables of its scheduler. */
const LAUNCHERS: Record<LauncherName, (env: Variables) => Launcher> = { srun }

/** @throws StageError USAGE if none is named and no job tells which */
export function launcherFor(name: LauncherName | undefined, env: Variables): Launcher {
  const found = name ?? detected(env)
  if (found !== undefined) return LAUNCHERS[found](env)
  throw new StageError('USAGE', '--nodes works in a job of several nodes, and this session is in none', {
    hint: "Call conda-stage in a job (sbatch, salloc), or stage on this machine alone: 'conda-stage'",
  })
}

const detected = (env: Variables): LauncherName | undefined => (env.SLURM_JOB_ID ? 'srun' : undefined)
