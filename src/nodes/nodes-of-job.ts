import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { StageError } from '../errors.ts'
import type { Variables } from '../platform/job.ts'
import { nodesOfList, shortList } from './node-list.ts'

/**
 * The nodes of the job that runs here, each once, in the scheduler's order.
 * @throws StageError USAGE if no job tells them, NODES_FAILED if what it names can't be read
 */
async function nodesOfJob(env: Variables): Promise<string[]> {
  const names = await namesFrom(env)
  if (names !== undefined && names.length > 0) return [...new Set(names)]
  throw new StageError('USAGE', '--nodes=all needs a job that lists its nodes, and this session is not in one', {
    hint: 'Call conda-stage in a job, or name the nodes and how they are reached: --nodes=n1,n2 --launcher=ssh',
  })
}

async function namesFrom(env: Variables): Promise<string[] | undefined> {
  const slurm = env.SLURM_JOB_NODELIST || env.SLURM_NODELIST // the second in Slurm before 2.2, and still there
  if (slurm) return await hostNames(slurm, env)
  // A line for each process: https://help.altair.com/2022.1.0/PBS%20Professional/PBSUserGuide2022.1.pdf, "The Job's Node File"
  if (env.PBS_NODEFILE) return linesOf(await read('PBS_NODEFILE', env.PBS_NODEFILE)).map(firstWord)
  // `HOST SLOTS HOST SLOTS ...`, or in a file a line for each slot: IBM, "Environment variables set for job execution"
  if (env.LSB_MCPU_HOSTS) return wordsOf(env.LSB_MCPU_HOSTS).filter((_, at) => at % 2 === 0)
  if (env.LSB_DJOB_HOSTFILE) return linesOf(await read('LSB_DJOB_HOSTFILE', env.LSB_DJOB_HOSTFILE)).map(firstWord)
  // `HOST SLOTS QUEUE BINDING`: sge_pe(5)
  if (env.PE_HOSTFILE) return linesOf(await read('PE_HOSTFILE', env.PE_HOSTFILE)).map(firstWord)
  return undefined
}

/** Slurm's own program knows all its ways to write a list. It does not ask the controller. */
async function hostNames(list: string, env: Variables): Promise<string[]> {
  const { stdout } = await promisify(execFile)('scontrol', ['show', 'hostnames', list], { env }).catch(
    (cause: unknown) => {
      throw new StageError('NODES_FAILED', `The list of nodes ${list} can't be expanded: scontrol failed`, {
        hint: "Try 'scontrol show hostnames'. Slurm's programs must be on PATH.",
        cause,
      })
    },
  )
  return linesOf(stdout)
}

async function read(variable: string, path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new StageError('NODES_FAILED', `The list of this job's nodes can't be read: ${path} (${variable})`, {
      path,
      hint: 'Name the nodes: --nodes=LIST',
      cause,
    })
  })
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '')

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')

const firstWord = (line: string): string => wordsOf(line)[0]!

/**
 * @param asked `all`, or a list as the user wrote it
 * @throws StageError as nodesOfJob and nodesOfList
 */
export const nodesFor = async (asked: string, env: Variables): Promise<string[]> =>
  asked === 'all' ? await nodesOfJob(env) : nodesOfList(asked)

/** A node may be named with its domain, or without. */
const firstPart = (name: string): string => name.split('.')[0]!

/**
 * The same for a launcher that reaches no others than the nodes of its job.
 * @throws StageError USAGE for another node
 */
export async function nodesWithinJob(asked: string, env: Variables, launcher: string): Promise<string[]> {
  const [wanted, all] = [await nodesFor(asked, env), await nodesOfJob(env)]
  const known = new Set(all.map(firstPart))
  const foreign = wanted.find((node) => !known.has(firstPart(node)))
  if (foreign === undefined) return wanted
  throw new StageError('USAGE', `--nodes: ${foreign} is not a node of this job, and ${launcher} reaches no others`, {
    hint: `The job has ${shortList(all)}. Other nodes may be reached by --launcher=ssh.`,
  })
}
