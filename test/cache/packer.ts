/**
 * Tests run this in a process of its own. It publishes an archive at argv[2] whose only file holds argv[3], and takes argv[4] ms
 * for that. Its clock is argv[5] ms ahead. It prints `waiting`, `writing` and `done` as it goes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { publishArchive } from '../../src/cache/index.ts'
import { directory, file, pack } from '../archive/support.ts'
import { setClockAhead } from './clock.ts'

const [path, text, time, ahead] = process.argv.slice(2)
const say = (word: string) => process.stdout.write(`${word}\n`)

setClockAhead(Number(ahead))
await publishArchive({
  path: path!,
  staleMs: 2000,
  onWait: () => say('waiting'),
  async write(temporary) {
    const index = await pack(temporary, [directory(''), file('text', text!)])
    say('writing')
    await sleep(Number(time))
    return index
  },
})
say('done')
