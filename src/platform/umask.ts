/** Permission bits that the kernel takes from every file that this process makes. */
export const currentUmask = (): number => process.umask()
