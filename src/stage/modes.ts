/** The permission bits of a copy: the original's, without write bits in a read-only stage. */
export const stagedMode =
  (readOnly: boolean) =>
  (mode: number): number =>
    readOnly ? mode & ~0o222 : mode
