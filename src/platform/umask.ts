/** Permission bits that the kernel clears in every file that this process creates. */
export const currentUmask = (): number => process.umask()
