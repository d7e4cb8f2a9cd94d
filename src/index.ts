export type { ArchiveFinding } from './archive/verify/finding.ts'
export { type ErrorCode, StageError } from './errors.ts'
export type { Payback } from './model/cost.ts'
export type { OnProgress, Phase, ProgressEvent } from './model/progress.ts'
export type {
  PackForElsewhereOptions,
  PackOptions,
  PackResult,
  StageOptions,
  StageResult,
  UnstageOptions,
  UnstageResult,
  VerifyArchiveOptions,
  VerifyArchiveResult,
  VerifyOptions,
  VerifyResult,
} from './pipeline/options.ts'
export { pack, stage, unstage, verify, verifyArchive } from './pipeline.ts'
export type { Finding } from './stage/verify.ts'
