import { main } from './cli/main.ts'
import { captureSession } from './platform/session.ts'
import { abortOnSignals } from './platform/signals.ts'

process.exitCode = await main(captureSession(), abortOnSignals())
