/** Permission bits of the copy: those of the original, without any write bit in a read-only stage. */
export const stagedMode =
  (readOnly: boolean) =>
  (mode: number): number =>
    readOnly ? mode & ~0o222 : mode
