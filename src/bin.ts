import { main } from './cli/main.ts'
import { captureSession } from './cli/session.ts'
import { abortOnSignals, surviveSizeLimit } from './platform/signals.ts'

surviveSizeLimit()
main(captureSession(process), abortOnSignals()).then((code) => {
  process.exitCode = code
})
