/** Tests run this in a process of its own. It packs random bytes, 20 MB or argv[3], to argv[2], and prints the error. */
import { randomBytes } from 'node:crypto'
import { directory, file, pack } from './support.ts'

const [path, size = '20000000'] = process.argv.slice(2)
await pack(path!, [directory(''), file('noise', randomBytes(Number(size)))]).catch(
  (error: { code: string; message: string }) => process.stdout.write(`${error.code} ${error.message}\n`),
)
