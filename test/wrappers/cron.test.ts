import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { wrapped } from './world.ts'

/** Gets a folder with `crontab`. cron sees no other, runs what is to run when the machine starts, and finds none that runs already. */
const CRON_ALONE = `
mount -t tmpfs cron /run
mount -t tmpfs cron /etc/cron.d
mount --bind /dev/null /etc/crontab
mount -t tmpfs -o mode=1730,gid=crontab cron /var/spool/cron/crontabs
install -m 600 "$1/crontab" /var/spool/cron/crontabs/root
exec cron -f
`

test('cron starts the program from the copy, with the few variables that it gives', {
  skip: process.getuid!() !== 0 && 'only root can start another cron',
}, async (context) => {
  const world = await wrapped(context)
  const home = world.env.HOME!
  mkdirSync(join(home, '.config/conda-stage'), { recursive: true })
  writeFileSync(
    join(home, '.config/conda-stage/config.yaml'),
    `local-folders: [${world.local}]\nlocal-folders-only: true\n`,
  )
  const said = join(world.root, 'said')
  const run = (args: string) =>
    `@reboot '${world.wrapper}' ${args} > ${said}.part 2> ${said}.errors; mv ${said}.part ${said}`
  const underCron = async (args: string): Promise<string> => {
    writeFileSync(join(world.root, 'crontab'), `HOME=${home}\n${run(args)}\n`)
    rmSync(said, { force: true })
    const options = ['--mount', '--propagation=private', 'sh', '-ec', CRON_ALONE, 'sh', world.root]
    const cron = spawn('unshare', options, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }, stdio: 'inherit' })
    try {
      for (let at = 0; !existsSync(said); at++) {
        assert.ok(at < 300 && cron.exitCode === null, 'cron did not run it')
        await pause(100)
      }
    } finally {
      cron.kill()
      await once(cron, 'exit')
    }
    return readFileSync(said, 'utf8')
  }
  const first = await underCron('hello')
  assert.match(first, new RegExp(`^${world.local}/conda-stage_\\w+/myjupyter/bin/tell\nhello\n$`))
  assert.equal(await underCron('hello'), first)
  assert.equal(world.calls(), 1)
})
