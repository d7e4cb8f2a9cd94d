import { readdirSync, readFileSync } from 'node:fs'

/** The processes that another one traces, wherever they stand in the tree of processes. */
export function traceesOf(tracer: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => tracerOf(pid) === tracer)
}

function tracerOf(pid: number): number | undefined {
  try {
    return Number(/^TracerPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

/** Whether Ctrl-C in a terminal is for this process and for all that it has started. proc_pid_stat(5): pgrp, tpgid. */
export function isInForeground(): boolean {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return fields[2] === fields[5]
}
