import { readFileSync, rmSync, writeFileSync } from 'node:fs'

import { StartRefused } from './start-options.ts'

/**
 * Makes sure that one folder is started from once at a time: two would write into each other's log. What a killed process
 * left behind does not count.
 * @param lockFile where the process that runs writes down who it is
 * @throws StartRefused when another runs
 */
export function requireOnlyStart(lockFile: string): void {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const pid = Number.parseInt(readFileSync(lockFile, 'utf8'))
    if (isStart(pid))
      throw new StartRefused(`Another npm start runs in this folder (process ${pid}). Stop that one first.`)
    rmSync(lockFile, { force: true })
    requireOnlyStart(lockFile)
    return
  }
  process.once('exit', () => rmSync(lockFile, { force: true }))
}

/** Whether a process is there, and is one like this; its number may be another's by now. */
function isStart(pid: number): boolean {
  if (pid === process.pid || !Number.isInteger(pid)) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('infra/local/start.ts')
  } catch {
    // Not every system tells what its processes are.
    return process.platform !== 'linux'
  }
}
