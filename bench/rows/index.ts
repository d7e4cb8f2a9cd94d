import type { Row } from '../bench.ts'
import { extraction } from './extraction.ts'
import { firstStage } from './first-stage.ts'
import { freshness } from './freshness.ts'
import { image } from './image.ts'
import { inPlace } from './in-place.ts'
import { joining } from './join.ts'
import { memory } from './memory.ts'
import { mount } from './mount.ts'
import { pack } from './pack.ts'
import { repack } from './repack.ts'
import { running } from './running.ts'
import { secondStage } from './second-stage.ts'
import { start } from './start.ts'
import { starts } from './starts.ts'
import { store } from './store.ts'
import { virtualEnvironment } from './virtual-environment.ts'
import { withConda } from './with-conda.ts'
import { wrapper } from './wrapper.ts'

/** All rows, in the order of the table. */
export const ROWS: Row[] = [
  firstStage,
  secondStage,
  joining,
  image,
  inPlace,
  mount,
  extraction,
  pack,
  freshness,
  start,
  wrapper,
  repack,
  store,
  running,
  withConda,
  starts,
  virtualEnvironment,
  memory,
]
