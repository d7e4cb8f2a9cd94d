/**
 * Replaces the program behind the launcher: activates a copy that the test made, with the modules and the protocol of
 * the real program. `driver.ts stage|unstage ORIGINAL STAGED [own|conda]`.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Call, deliverCode, readCall } from '../../src/activate/call.ts'
import { readFacts } from '../../src/activate/facts.ts'
import { hook } from '../../src/activate/hook.ts'
import { type Activator, planStage, planUnstage } from '../../src/activate/plan.ts'
import { render } from '../../src/activate/render.ts'
import type { Step } from '../../src/activate/steps.ts'

const call = readCall(process.env)
const [action, original = '', staged = '', activator = 'own'] = process.argv.slice(2)

switch (action) {
  case 'source':
    process.stdout.write(hook(original as 'sh', call.launcher!))
    break
  case 'stage':
  case 'unstage':
    // A CommonJS program can't await it here. If it fails, the process does.
    void activate(action, activator as Activator, call)
    break
  case 'remove':
    console.error('INFO: removed')
    rmSync(dirname(original), { recursive: true })
    break
  case 'abandon':
    console.error('ERROR: no conda function')
    break
  case 'data':
    console.log('data')
    deliver([{ op: 'return', status: 0 }])
    break
  case 'environment':
    writeFileSync(original, JSON.stringify(call))
    deliver([{ op: 'return', status: 0 }])
    break
  case 'fail':
    console.error('ERROR: failed')
    deliver([{ op: 'return', status: 3 }])
    process.exitCode = 3
    break
}

async function activate(action: 'stage' | 'unstage', activator: Activator, { env, shell }: Call): Promise<void> {
  if (shell === undefined) throw new Error('not called by the shell function')
  const facts = { original: await readFacts(original, shell.dialect), staged: await readFacts(staged, shell.dialect) }
  const session = { env, ps1: shell.ps1, activator, ...facts }
  const file = `${dirname(staged)}/snapshot.json`
  if (action === 'stage') {
    const { steps, snapshot } = planStage({ ...session, abandon: { argv: ['abandon'], status: 1 } })
    writeFileSync(file, JSON.stringify(snapshot))
    deliver(steps)
  } else {
    const snapshot = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
    deliver(planUnstage({ ...session, snapshot, remove: ['remove', staged] }).steps)
  }
}

function deliver(steps: Step[]): void {
  const { shell, launcher } = call
  if (shell) deliverCode(shell.code, render(steps, shell.dialect, { flags: shell.flags, launcher: launcher! }))
}
