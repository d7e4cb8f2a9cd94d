import { type Profiler, Session } from 'node:inspector'

/** What is known of a script: for each of its characters whether it is in a function, and whether it has ever run. */
interface Script {
  isCode: Uint8Array
  hasRun: Uint8Array
}

/** Tells whether code ran that had not run before, by V8's own counts of blocks. */
export class Coverage {
  readonly #session = new Session()
  /** By address. */
  readonly #scripts = new Map<string, Script>()
  /** Functions, and how often they were called at a time, in powers of two. */
  readonly #counts = new Set<string>()

  /** To be made before the code is loaded, whose functions are known only then. */
  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** To be called once the code is loaded. */
  begin(): void {
    for (const { url, functions } of this.#take()) {
      const length = functions.reduce((most, { ranges }) => Math.max(most, ranges[0]!.endOffset), 0)
      const script = { isCode: new Uint8Array(length), hasRun: new Uint8Array(length) }
      // The first one is the script itself, which runs when it is loaded.
      for (const { ranges } of functions.slice(1)) script.isCode.fill(1, ranges[0]!.startOffset, ranges[0]!.endOffset)
      this.#scripts.set(url, script)
    }
  }

  /**
   * Whether anything is new since the last call: code that ran, or how often a function ran.
   * @param options.keep it is known from now on
   */
  isNew({ keep }: { keep: boolean }): boolean {
    let isNew = false
    for (const { url, functions } of this.#take()) isNew = this.#compare(url, functions, keep) || isNew
    return isNew
  }

  /** Characters of code that have run, and all, in files whose address holds one of these texts. */
  of(parts: readonly string[]): { run: number; all: number } {
    let [run, all] = [0, 0]
    for (const [url, { isCode, hasRun }] of this.#scripts) {
      if (!parts.some((part) => url.includes(part))) continue
      for (const [at, byte] of isCode.entries()) {
        all += byte
        run += byte & hasRun[at]!
      }
    }
    return { run, all }
  }

  end(): void {
    this.#session.disconnect()
  }

  #take(): Profiler.ScriptCoverage[] {
    let taken: Profiler.ScriptCoverage[] = []
    // Within one thread the answer comes at once.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error) throw error
      taken = result.filter(({ url }) => url.includes('/src/'))
    })
    return taken
  }

  #compare(url: string, functions: readonly Profiler.FunctionCoverage[], keep: boolean): boolean {
    const script = this.#scripts.get(url)
    if (script === undefined) return false
    let isNew = false
    const now = new Uint8Array(script.hasRun.length)
    for (const { ranges } of functions) {
      // A range is followed by those in it.
      for (const { startOffset, endOffset, count } of ranges) now.fill(count > 0 ? 1 : 0, startOffset, endOffset)
      const { startOffset, count } = ranges[0]!
      const key = `${url} ${startOffset} ${Math.ceil(Math.log2(count + 1))}`
      if (this.#counts.has(key)) continue
      if (keep) this.#counts.add(key)
      isNew = true
    }
    for (let at = 0; at < now.length; at++) {
      if (now[at] === 0 || script.hasRun[at] === 1) continue
      if (!keep) return true
      script.hasRun[at] = 1
      isNew = true
    }
    return isNew
  }
}
