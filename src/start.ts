import { fileURLToPath } from 'node:url'
import { openProgram } from './platform/byte-code.ts'

// The first file of the program in dist/. From sources, bin.ts is the first.
openProgram(fileURLToPath(new URL('./program.cjs', import.meta.url))).run()
