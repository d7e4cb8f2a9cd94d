/**
 * The worker's entry: `worker.ts` beside this module in a checkout, or `worker.cjs` beside the bundle that includes this
 * module.
 */
export function workerUrl(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.cjs', import.meta.url)
}
