import { homedir } from 'node:os'

/** As Debian names the home of accounts that have none. Nothing is there, and no ordinary user can make it. */
const NO_HOME = '/nonexistent'

/** The user's home: HOME, else by the user database. A user of a container may be in neither. */
export function homeOf({ HOME }: { readonly HOME?: string | undefined }): string {
  if (HOME) return HOME
  try {
    return homedir()
  } catch {
    return NO_HOME
  }
}
