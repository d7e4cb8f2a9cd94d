/** Imported before the program, in each of its threads. */
import { setClockAhead } from '../cache/clock.ts'

setClockAhead(Number(process.env.CLOCK_AHEAD_MS))
