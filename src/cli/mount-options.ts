interface MountOptions {
  mount: boolean
  inPlace: boolean
}

/** Options of a copy that is a mounted image. */
export function mountOptions(
  given: Readonly<Record<string, unknown>>,
  action: string,
  settings: { private: boolean; writable: boolean },
  usage: (message: string) => Error,
): MountOptions {
  const mount = given.mount === true
  const inPlace = given.inPlace === true
  if (inPlace && !mount) throw usage('--in-place works only with --mount')
  if (!mount) return { mount, inPlace }
  if (action !== 'stage' || given.dryRun) throw usage('--mount works only with --stage')
  for (const name of ['nodes', 'output', 'packer'])
    if (given[name] !== undefined) throw usage(`--mount and --${name} can't be combined`)
  if (settings.private || settings.writable)
    throw usage('--mount makes copies that are shared and read-only: it works without --writable and --private')
  return { mount, inPlace }
}
