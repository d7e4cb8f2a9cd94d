/** What others have published, and what the model says with their inputs. docs/scale.md has the sources, and reasons for the misses. */
import { type Start, startSeconds } from '../../src/model/cost.ts'
import { type Cluster, slowestOf, transferSeconds } from './cluster.ts'
import { LUSTRE } from './inputs.ts'
import { seconds, table } from './table.ts'

/** `import tensorflow`: ~3,680 opens, ~510 opendirs, 1.1 GB; 2.0 s from memory (CernVM-FS tutorial). */
const TENSORFLOW: Start = { requests: 3680 + 510, bytes: 1.1e9, cpu: 2 }
/** The same on the older machines of the cluster that has NFS: 2.5 s from memory. */
const TENSORFLOW_NFS: Start = { ...TENSORFLOW, cpu: 2.5 }
/** OLCF's example.py takes 2 s from the copy. How much it asks for is not published: PyTorch counts as TensorFlow. */
const PYTORCH: Start = { ...TENSORFLOW, cpu: 2 }
/** On one node of Edison (bench-1.out): untar, and the whole import by 24 tasks. */
const [UNTAR, IMPORT] = [7.6, 8.2]
/** The size is not published: 7.6 s of gunzip are about 1 GB, of which a quarter is left when it is packed. */
const TAR_BYTES = 250e6

const edison = (nodes: number): Cluster => ({ ...LUSTRE, nodes })
const slowest = (nodes: number): number => slowestOf(edison(nodes))
const start = (what: Start): number => startSeconds(what, LUSTRE)
const [bcast, untar] = [transferSeconds(TAR_BYTES, edison(5310)), UNTAR * slowest(5310)]

/** What, how long it took, what the model says. */
const FIGURES: readonly (readonly [string, number, number])[] = [
  ['python-mpi-bcast, 5,310 nodes: bcast (sbcast in the model)', 2.2, bcast],
  ['untar on 1,024 nodes', 9, UNTAR * slowest(1024)],
  ['untar on 2,048 nodes', 31, UNTAR * slowest(2048)],
  ['untar on 4,096 nodes', 11, UNTAR * slowest(4096)],
  ['untar on 5,310 nodes', 43, untar],
  ['whole step on 5,310 nodes', 87, bcast + untar],
  ['import scipy from the copy, 5,310 nodes', 128, IMPORT * slowest(5310)],
  ['OLCF, 8 nodes: start from Orion (Lustre)', 51, start(PYTORCH)],
  ['OLCF, 8 nodes: start from NFS', 236, start(PYTORCH)],
  ['CernVM-FS: local SSD, cold', 4.3, startSeconds(TENSORFLOW, { lookUp: 0, bandwidth: LUSTRE.disk })],
  ['CernVM-FS: NFS, cold', 6.4, start(TENSORFLOW_NFS)],
  ['CernVM-FS: GPFS on SSD, cold', 5.9, start(TENSORFLOW)],
  ['CernVM-FS: GPFS on disks, cold', 35, start(TENSORFLOW)],
  ['CernVM-FS: Lustre, cold', 75, start(TENSORFLOW)],
  ['CernVM-FS: Lustre, hot', 2.9, TENSORFLOW.cpu],
]

export function published(): string {
  const rows = FIGURES.map(([what, measured, model]) => [
    what,
    seconds(measured),
    seconds(model),
    (model / measured).toFixed(2),
  ])
  return table([['', 'published', 'model', 'model : published'], ...rows])
}
