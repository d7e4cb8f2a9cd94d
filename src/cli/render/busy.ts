import { clearTransient, showTransient } from './messages.ts'

/** Milliseconds of silence after which a terminal shows that the program works. */
const SILENCE_MS = 900
const TICK_MS = 300

interface Busy {
  /** Says what is done from now on. */
  begin(label: string): void
  /** Something else was shown. */
  shown(): void
  end(): void
}

/** A line on the terminal that tells what the program does and for how long, while nothing else is shown. */
export function createBusy(live: boolean, isBarShown: () => boolean = () => false): Busy {
  let label = 'Working'
  let [since, lastShown] = [Date.now(), Date.now()]
  let timer: NodeJS.Timeout | undefined
  const tick = (): void => {
    if (isBarShown() || Date.now() - lastShown < SILENCE_MS) return
    showTransient(`${label && `${label} `}... ${Math.round((Date.now() - since) / 1000)}s`)
  }
  return {
    begin(next) {
      label = next
      since = lastShown = Date.now()
      if (live) timer ??= setInterval(tick, TICK_MS).unref()
    },
    shown() {
      lastShown = Date.now()
    },
    end() {
      clearInterval(timer)
      timer = undefined
      clearTransient()
    },
  }
}
