/** Contents that show whether they are one version of a file, or of two mixed. */
export const SMALL = 300
export const LARGE = 9_000_000

/** Small files have a size of their own in each version. */
export const contentOf = (version: number, size = 100 + (version % 50) * 97): Buffer =>
  Buffer.alloc(size, `version ${version}\n`)

export function isOneVersion(content: Buffer): boolean {
  const version = Number(/^version (\d+)\n/.exec(content.subarray(0, 30).toString())?.[1])
  return content.equals(content.length === LARGE ? contentOf(version, LARGE) : contentOf(version))
}
