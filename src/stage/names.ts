import { randomBytes } from 'node:crypto'

/**
 * A stage is the folder `LOCAL/conda-stage_TOKEN`. It holds the copy, under the environment's own name, and these files.
 * So an environment with one of these names can't be staged.
 */
/** Written last: a folder without it is no stage. */
export const MARKER = 'stage.json'
/** The process that makes the stage, or made it; written first. */
export const OWNER = 'owner.json'
/** The archive's index, as `readKeptIndex` reads it. */
export const INDEX = 'stage.index'
/** The archive's file and its head, as `readNotedArchive` reads them. */
export const ARCHIVE = 'stage.archive'
/** The copy's folder until it is complete. */
export const EXTRACTING = '.extracting'
/** The folders of the complete copy, by which damage shows. */
export const FOLDERS = 'stage.folders'

/** The image that is mounted, and what its server says while it starts. */
export const IMAGE = 'stage.sqfs'
export const SERVER_LOG = 'stage.log'

export const RESERVED: ReadonlySet<string> = new Set([
  MARKER,
  `${MARKER}.new`,
  OWNER,
  INDEX,
  ARCHIVE,
  `${ARCHIVE}.new`,
  EXTRACTING,
  `${EXTRACTING}.new`,
  FOLDERS,
  `${FOLDERS}.new`,
  IMAGE,
  SERVER_LOG,
  // leases/ has these:
  '.leases',
  'kept.json',
  'kept.json.new',
])

export const FOLDER_START = 'conda-stage_'
export const FOLDER_NAME = /^conda-stage_[A-Za-z0-9]{4,}$/

/**
 * A name for a stage while it is being removed, so that nobody takes its rest for a stage. Nobody can guess it: in a folder
 * that others may write to, a name that is taken would stop the removal.
 */
export const removingName = (): string => `.${FOLDER_START}${randomBytes(12).toString('hex')}.removing`
/** Older versions took the name from the stage's. */
export const REMOVING_NAME = /^\.conda-stage_[A-Za-z0-9]+\.removing$/
