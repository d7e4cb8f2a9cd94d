import { StageError } from '../errors.ts'
import { jobOf, type Variables } from '../platform/job.ts'
import { LAUNCHER_NAMES, type Launcher, type LauncherName } from './launcher.ts'
import { blaunch } from './launchers/blaunch.ts'
import { mpirun } from './launchers/mpirun.ts'
import { ownCommand } from './launchers/own-command.ts'
import { pbsdsh } from './launchers/pbsdsh.ts'
import { qrsh } from './launchers/qrsh.ts'
import { srun } from './launchers/srun.ts'
import { ssh } from './launchers/ssh.ts'

interface Surroundings {
  env: Variables
  /** Name of this machine. */
  host: string
}

const LAUNCHERS: Record<LauncherName, (surroundings: Surroundings) => Launcher | Promise<Launcher>> = {
  srun: ({ env }) => srun(env),
  pbsdsh: ({ env }) => pbsdsh(env),
  blaunch: ({ env }) => blaunch(env),
  qrsh: ({ env, host }) => qrsh(env, host),
  mpirun: ({ env }) => mpirun(env),
  ssh: ({ env }) => ssh(env),
}

/**
 * @param asked a launcher's name, or a command of the user's own with `{node}` in it; undefined: that of the job
 * @throws StageError USAGE if it is unknown, or none is named and no job tells which; NODES_FAILED if it is not there
 */
export async function launcherFor(asked: string | undefined, surroundings: Surroundings): Promise<Launcher> {
  const name = asked ?? launcherOfJob(surroundings.env)
  if (name === undefined)
    throw new StageError('USAGE', '--nodes needs a job of several nodes, and this session is not in one', {
      hint: 'Call conda-stage in a job, or name the nodes and how they are reached: --nodes=n1,n2 --launcher=ssh',
    })
  if (isLauncherName(name)) return await LAUNCHERS[name](surroundings)
  if (/\s|[{}]/.test(name)) return ownCommand(name, surroundings.env)
  throw new StageError('USAGE', `--launcher=${name} is unknown`, {
    hint: `Choose one of ${LAUNCHER_NAMES.join(', ')}, or give a command: --launcher='rsh {node}'`,
  })
}

const isLauncherName = (name: string): name is LauncherName => (LAUNCHER_NAMES as readonly string[]).includes(name)

/** By the variable that holds the job's number. */
const OF_SCHEDULER: Readonly<Record<string, LauncherName>> = {
  SLURM_JOB_ID: 'srun',
  PBS_JOBID: 'pbsdsh',
  LSB_JOBID: 'blaunch',
  JOB_ID: 'qrsh',
}

function launcherOfJob(env: Variables): LauncherName | undefined {
  const job = jobOf(env)
  return job && OF_SCHEDULER[job.variable]
}
