import { main } from './cli/main.ts'
import { captureSession } from './cli/session.ts'
import { leave } from './platform/leave.ts'
import { abortOnSignals, surviveSizeLimit } from './platform/signals.ts'
import { keepOwnerBits } from './platform/umask.ts'

surviveSizeLimit()
keepOwnerBits()
main(captureSession(process), abortOnSignals()).then(leave)
