import { main } from './cli/main.ts'
import { captureSession } from './cli/session.ts'
import { leave } from './platform/leave.ts'
import { abortOnSignals, surviveSizeLimit } from './platform/signals.ts'

surviveSizeLimit()
main(captureSession(process), abortOnSignals()).then(leave)
