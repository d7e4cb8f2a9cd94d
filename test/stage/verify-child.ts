import { verifyStage } from '../../src/stage/verify.ts'

/** Run as a process of its own, maybe as another user: what verifying PREFIX finds. */
const findings = await verifyStage(process.argv[2]!)
process.stdout.write(JSON.stringify(findings.map(({ path, kind }) => `${path} ${kind}`)))
