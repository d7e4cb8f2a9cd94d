export {
  archiveCandidates,
  archiveFolders,
  assertOutside,
  candidatesBefore,
  chooseWritable,
  foldersToMake,
  ownFolders,
} from './candidates.ts'
export { removeLeftoversOfDead } from './leftovers.ts'
export { withArchiveLock } from './lock.ts'
export { type OutlivedArchive, outlivedArchives } from './outlived.ts'
export { noteUse, pruneArchives, type Retention } from './prune.ts'
export { ofArchive, publishArchive, publishOrLose } from './publish.ts'
export { removeLeftovers, temporaryName } from './temporary.ts'
export { distrust, isOpenToAll, isTrusted, openTrusted, openTrustedIfThere, ownerOfNamed } from './trust.ts'
