/**
 * A stage is the folder `LOCAL/conda-stage_TOKEN`. In it are the copy, under the environment's own name, and these;
 * an environment can't have one of these names.
 */
/** Written last: a folder without it is no stage. */
export const MARKER = 'stage.json'
/** Who is making the stage, or made it; written first. */
export const OWNER = 'owner.json'
/** The archive's index, as a file that `readIndex` reads. */
export const INDEX = 'stage.index'
/** The tree before it is whole. */
export const EXTRACTING = '.extracting'

export const RESERVED: ReadonlySet<string> = new Set([
  MARKER,
  `${MARKER}.new`,
  OWNER,
  INDEX,
  EXTRACTING,
  `${EXTRACTING}.new`,
])

export const FOLDER_START = 'conda-stage_'
export const FOLDER_NAME = /^conda-stage_[A-Za-z0-9]{4,}$/

/** What a stage is called while it is being removed, so that the rest of it is never taken for a stage. */
export const removingName = (folderName: string): string => `.${folderName.slice(0, 255 - 10)}.removing`
export const REMOVING_NAME = /^\.conda-stage_[A-Za-z0-9]+\.removing$/
