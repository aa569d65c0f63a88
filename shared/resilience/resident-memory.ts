import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Reading a file of the system's takes 50 µs; `ps`, which is a process, a few milliseconds. */
const READ_EVERY_MS = 20
const PS_EVERY_MS = 250
const PS_MS_MAX = 5_000
const PS_PATH = '/bin:/usr/bin'

/**
 * Looks again and again how much memory a process has in all, from outside: one that computes without a pause cannot look
 * at itself. Where the system has no `/proc`, as macOS, `ps` is asked, and the process may have had more for a quarter of
 * a second.
 * @param most MiB
 * @param onMore is called when it has more, perhaps several times
 * @param proc where the system tells about its processes
 * @returns ends the looking
 */
export function watchResidentMemory(pid: number, most: number, onMore: () => void, proc = '/proc'): () => void {
  const tells = readResidentMiB(pid, proc) !== undefined
  let isAsking = false
  const ask = async () => {
    if (isAsking) return
    isAsking = true
    const has = await askResidentMiB(pid)
    isAsking = false
    if ((has ?? 0) > most) onMore()
  }
  const timer = tells
    ? setInterval(() => (readResidentMiB(pid, proc) ?? 0) > most && onMore(), READ_EVERY_MS)
    : setInterval(ask, PS_EVERY_MS)
  return () => clearInterval(timer)
}

/** Undefined when the process is gone, or the system has no such file. */
function readResidentMiB(pid: number, proc: string): number | undefined {
  try {
    return inMiB(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`${proc}/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

/** The same of every Unix. */
function askResidentMiB(pid: number): Promise<number | undefined> {
  const options = { env: { PATH: PS_PATH }, timeout: PS_MS_MAX }
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'rss=', '-p', String(pid)], options, (error, stdout) =>
      resolve(error === null ? inMiB(stdout.trim()) : undefined),
    )
  })
}

function inMiB(kib: string | undefined): number | undefined {
  return kib !== undefined && /^\d+$/.test(kib) ? Number(kib) / 1024 : undefined
}
