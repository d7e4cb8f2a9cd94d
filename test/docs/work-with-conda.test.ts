/** Does what docs/work-with-conda.md tells users to do, and compares the output with what the page shows. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Slurm, startSlurm } from '../jobs/slurm.ts'
import { CONDAS } from '../shells/world.ts'
import { assertAsShown } from './compare.ts'
import { readPage } from './document.ts'
import { homeFor } from './home.ts'

const page = readPage(readFileSync(join(import.meta.dirname, '../../docs/work-with-conda.md'), 'utf8'))

let slurm: Slurm
before(async () => {
  slurm = await startSlurm()
})
after(() => slurm.stop())

for (const conda of CONDAS) {
  test(`every session in docs/work-with-conda.md happens as shown, from first login to last job (${conda} conda)`, async () => {
    using home = await homeFor(conda, slurm)
    home.writeFiles(page)
    assertAsShown('docs/work-with-conda.md', page.commands, home.run(page.commands))
    assert.deepEqual(home.copies(), [], 'the page ends by saying that copies are removed automatically')
  })
}
