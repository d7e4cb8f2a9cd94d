export { type ErrorCode, StageError } from './errors.ts'
export type { OnProgress, Phase, ProgressEvent } from './model/progress.ts'
export type {
  PackForElsewhereOptions,
  PackOptions,
  PackResult,
  StageOptions,
  StageResult,
  UnstageOptions,
  UnstageResult,
  VerifyOptions,
  VerifyResult,
} from './pipeline/options.ts'
export { pack, stage, unstage, verify } from './pipeline.ts'
export type { Finding } from './stage/verify.ts'
