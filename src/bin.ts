import { main } from './cli/main.ts'
import { captureSession } from './cli/session.ts'
import { abortOnSignals } from './platform/signals.ts'

main(captureSession(process), abortOnSignals()).then((code) => {
  process.exitCode = code
})
