import { homeOf } from '../platform/home.ts'
import { isNetwork, mountOf, parseMountInfo, readMountInfo } from '../platform/mounts.ts'
import { realpath } from '../platform/remote-fs.ts'
import { hardware, machine } from '../platform/runtime.ts'
import { timeOfLookUp } from '../platform/time-of-look-up.ts'

/** A folder that matters, and what answers for it. */
interface MeasuredFolder {
  what: string
  path: string
  fsType: string
  mountPoint: string
  isNetwork: boolean
  /** Milliseconds that a look-up takes there. */
  lookUpMs: number
}

export interface Machine extends ReturnType<typeof hardware>, ReturnType<typeof machine> {
  folders: MeasuredFolder[]
}

/** What was measured on: everything that explains the times. */
export async function machineFacts(
  original: string,
  local: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Machine> {
  const mounts = parseMountInfo(readMountInfo())
  const folders: MeasuredFolder[] = []
  for (const [what, path] of [
    ['environment', original],
    ['copies', local],
    ['home', homeOf(env)],
  ] as const) {
    const real = await realpath(path).catch(() => path)
    const { fsType, mountPoint } = mountOf(real, mounts) ?? { fsType: 'unknown', mountPoint: '/' }
    const lookUpMs = await timeOfLookUp(path)
    folders.push({ what, path, fsType, mountPoint, isNetwork: isNetwork(fsType), lookUpMs })
  }
  return { ...machine(), ...hardware(), folders }
}
