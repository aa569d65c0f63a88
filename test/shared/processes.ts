import { readFileSync } from 'node:fs'

/** All processes that a process has started and those have, itself left out; on Linux alone. */
export function descendantsOf(pid: number): number[] {
  const children = readText(`/proc/${pid}/task/${pid}/children`).split(/\s+/).filter(Boolean).map(Number)
  return children.flatMap((child) => [child, ...descendantsOf(child)])
}

/** Whether a process is there and has not ended; nobody may have asked yet how it did. */
export function isAlive(pid: number): boolean {
  const state = /\) (\S)/.exec(readText(`/proc/${pid}/stat`))?.[1]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
