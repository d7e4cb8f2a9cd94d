import { userInfo } from 'node:os'

/** As Debian names the home of accounts that have none. Nothing is there, and no ordinary user can make it. */
const NO_HOME = '/nonexistent'

/**
 * The user's home: HOME, else by the user database. A user of a container may be in neither. A relative HOME would be another
 * folder wherever we are called, and what we keep there would be left in all of them.
 */
export function homeOf({ HOME }: { readonly HOME?: string | undefined }): string {
  if (HOME?.startsWith('/')) return HOME
  try {
    return userInfo().homedir
  } catch {
    return NO_HOME
  }
}
