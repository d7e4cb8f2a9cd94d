import { main } from './cli/main.ts'
import { captureSession } from './platform/session.ts'
import { abortOnSignals } from './platform/signals.ts'

main(captureSession(), abortOnSignals()).then((code) => {
  process.exitCode = code
})
