/** Permission bits that the kernel clears in every file that this process creates. */
export const currentUmask = (): number => process.umask()

/** A umask that takes bits from the owner as well would keep us out of the folders that we make. */
export const keepOwnerBits = (): void => void process.umask(process.umask() & 0o077)
