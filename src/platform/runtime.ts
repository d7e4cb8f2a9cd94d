import { release } from 'node:os'

/** The versions of everything that this program runs on. */
export function runtime(): Record<string, string> {
  const { glibcVersionRuntime } = (process.report.getReport() as unknown as { header: Record<string, string> }).header
  return {
    node: `${process.version} (${process.execPath})`,
    zstd: process.versions.zstd ?? 'none',
    zlib: process.versions.zlib ?? 'none',
    libuv: process.versions.uv ?? 'none',
    platform: `${process.platform}-${process.arch}`,
    kernel: release(),
    glibc: glibcVersionRuntime ?? 'none',
  }
}
