/** A real browser without a window, by its DevTools protocol (chromedevtools.github.io/devtools-protocol). */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

export interface Tab {
  look<T>(script: string): Promise<T>
  show(window: { width: number; scheme: 'light' | 'dark' }): Promise<void>
}

export async function browse(context: TestContext, page: string): Promise<Tab> {
  const profile = mkdtempSync(join(tmpdir(), 'browser-'))
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
  const browser = spawn('chromium', [...flags, `--user-data-dir=${profile}`, '--remote-debugging-port=0', page], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise((resolve) => browser.on('close', resolve))
  context.after(async () => {
    browser.kill('SIGKILL')
    await ended
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  })
  const port = await portOf(browser.stderr)
  browser.stderr.resume()
  const tabs = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
    type: string
    webSocketDebuggerUrl: string
  }[]
  const call = await connect(tabs.find(({ type }) => type === 'page')!.webSocketDebuggerUrl)
  const isLoaded = {
    expression: "document.readyState === 'complete' && location.protocol === 'file:'",
    returnByValue: true,
  }
  while ((await call('Runtime.evaluate', isLoaded)).result.value !== true) await pause(20)
  return {
    async look<T>(expression: string) {
      const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true })
      if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails))
      return result.value as T
    },
    async show({ width, scheme }) {
      await call('Emulation.setDeviceMetricsOverride', {
        width,
        height: 900,
        deviceScaleFactor: 1,
        mobile: width < 600,
      })
      await call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
    },
  }
}

async function portOf(output: NodeJS.ReadableStream): Promise<string> {
  let said = ''
  for await (const line of createInterface({ input: output })) {
    said += `${line}\n`
    const port = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]
    if (port !== undefined) return port
  }
  throw new Error(`chromium did not start: ${said}`)
}

interface Answer {
  result: { value: unknown }
  exceptionDetails?: unknown
}

async function connect(address: string): Promise<(method: string, params: object) => Promise<Answer>> {
  const socket = new WebSocket(address)
  const waiting = new Map<number, (answer: Answer) => void>()
  socket.onmessage = ({ data }) => {
    const { id, result } = JSON.parse(String(data))
    waiting.get(id)?.(result)
  }
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  let last = 0
  return (method, params) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve)
      socket.send(JSON.stringify({ id: last, method, params }))
    })
}
