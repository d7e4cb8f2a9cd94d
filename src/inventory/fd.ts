import { type BigIntStats, close, fstat, lstat, open, read } from 'node:fs'

// Promises over plain descriptors: for small files, a FileHandle costs more than twice the CPU time.

export const openFile = (path: Buffer, flags: number): Promise<number> =>
  new Promise((resolve, reject) => {
    open(path, flags, (error, fd) => (error ? reject(error) : resolve(fd)))
  })

export const readFrom = (fd: number, into: Buffer, offset: number, position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    read(fd, into, offset, into.length - offset, position, (error, bytes) => (error ? reject(error) : resolve(bytes)))
  })

export const statFile = (fd: number): Promise<BigIntStats> =>
  new Promise((resolve, reject) => {
    fstat(fd, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats)))
  })

export const closeFile = (fd: number): Promise<void> =>
  new Promise((resolve, reject) => {
    close(fd, (error) => (error ? reject(error) : resolve()))
  })

export const lstatPath = (path: Buffer): Promise<BigIntStats> =>
  new Promise((resolve, reject) => {
    lstat(path, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats)))
  })
