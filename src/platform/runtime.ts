import { availableParallelism, cpus, hostname, release, totalmem } from 'node:os'

/** The versions of everything that this program runs on. */
export function runtime(): Record<string, string> {
  const { glibcVersionRuntime } = (process.report.getReport() as unknown as { header: Record<string, string> }).header
  return {
    node: `${process.version} (${process.execPath})`,
    zstd: process.versions.zstd ?? 'none',
    zlib: process.versions.zlib ?? 'none',
    libuv: process.versions.uv ?? 'none',
    platform: machine().platform,
    kernel: release(),
    glibc: glibcVersionRuntime ?? 'none',
  }
}

/** `memory` in bytes; `cores` are those that this process may use. */
export const hardware = () => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memory: totalmem(),
})

/** `platform`: of the system and the CPU, such as `linux-x64`. */
export const machine = () => ({ host: hostname(), platform: `${process.platform}-${process.arch}` })
