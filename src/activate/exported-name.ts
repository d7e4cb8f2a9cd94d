/** conda exports names in upper case unless it is configured not to (`envvars_force_uppercase`). */
export function exportedName(env: Readonly<Record<string, string | undefined>>, name: string): string {
  const upper = name.toUpperCase()
  return env[name] !== undefined && env[upper] === undefined ? name : upper
}
