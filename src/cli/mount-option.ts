/** Whether the copy is to be a mounted image. Throws if that does not go with the other options. */
export function mountOption(
  given: Readonly<Record<string, unknown>>,
  action: string,
  settings: { private: boolean; writable: boolean },
  usage: (message: string) => Error,
): boolean {
  if (given.mount !== true) return false
  if (action !== 'stage' || given.dryRun) throw usage('--mount works only with --stage')
  for (const name of ['nodes', 'output', 'packer'])
    if (given[name] !== undefined) throw usage(`--mount and --${name} can't be combined`)
  if (settings.private || settings.writable)
    throw usage(
      "--mount makes copies that are shared and read-only: it can't be combined with --writable and --private",
    )
  return true
}
