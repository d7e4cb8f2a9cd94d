export type { ArchiveFinding } from './archive/verify/finding.ts'
export type { Retention } from './cache/prune.ts'
export type { Filter } from './conda-pack/filter.ts'
export { type ErrorCode, type ErrorDetails, StageError } from './errors.ts'
export type { Caller, Holder } from './leases/users.ts'
export type { Payback } from './model/cost.ts'
export type { EnvironmentKind } from './model/kind.ts'
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
export type { ProcessIdentity } from './platform/process-identity.ts'
export type { BaseCopy } from './stage/venv-base.ts'
export type { Finding } from './stage/verify.ts'
