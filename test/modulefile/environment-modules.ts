/** Debian's environment-modules, unpacked into the tests' cache because it conflicts with the lmod package. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readyCache } from '../fixtures/cache.ts'

/** Shells whose init script is changed to name the unpacked program. */
const SHELLS = ['bash', 'zsh', 'sh', 'fish', 'tcsh']

/** Gives the folder with the init scripts, one for each shell. */
export async function environmentModules(): Promise<string> {
  const { root } = await readyCache('small')
  const unpacked = join(root, `environment-modules-for-${SHELLS.join('-')}`)
  if (!existsSync(unpacked)) unpack(root, unpacked)
  return join(unpacked, 'usr/share/modules/init')
}

function unpack(cache: string, target: string): void {
  const download = mkdtempSync(join(cache, 'environment-modules.'))
  try {
    execFileSync('apt-get', ['-qq', 'download', 'environment-modules'], { cwd: download, stdio: 'pipe' })
    const [archive] = readdirSync(download)
    execFileSync('dpkg-deb', ['-x', archive!, 'files'], { cwd: download })
    for (const shell of SHELLS) {
      const script = join(download, 'files/usr/share/modules/init', shell)
      const text = readFileSync(script, 'utf8')
      writeFileSync(script, text.replaceAll(/\/usr\/lib\/[\w-]+\/modulecmd\.tcl/g, `${target}/usr/lib/modulecmd.tcl`))
    }
    // Another test may have done the same meanwhile.
    if (!existsSync(target)) renameSync(join(download, 'files'), target)
  } finally {
    rmSync(download, { recursive: true })
  }
}
