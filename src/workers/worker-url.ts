/**
 * The worker's entry: `worker.ts` beside this module in a checkout, `worker.cjs` beside the bundle that this module
 * became a part of.
 */
export function workerUrl(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.cjs', import.meta.url)
}
