import { readFileSync, rmSync, writeFileSync } from 'node:fs'

import { CommandRefused } from '../command-line.ts'

/**
 * Makes sure that one folder is started from once at a time: two would write into each other's log. What a killed process
 * left behind does not count.
 * @param folder where the process that runs writes down who it is
 * @param command as npm has it; its script has the same name, or that after `run`
 * @throws CommandRefused when another runs
 */
export function requireOnlyStart(folder: string, command: 'start' | 'run emulators' | 'run demo'): void {
  const script = command.split(' ').at(-1) ?? ''
  const lockFile = `${folder}${script}.pid`
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const pid = Number.parseInt(readFileSync(lockFile, 'utf8'))
    if (isCommand(pid, script))
      throw new CommandRefused(`Another npm ${command} runs in this folder (process ${pid}). Stop that one first.`)
    rmSync(lockFile, { force: true })
    requireOnlyStart(folder, command)
    return
  }
  process.once('exit', () => rmSync(lockFile, { force: true }))
}

/** Whether a process is there, and is one like this; its number may be another's by now. */
function isCommand(pid: number, script: string): boolean {
  if (pid === process.pid || !Number.isInteger(pid)) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`/${script}.ts`)
  } catch {
    // Not every system tells what its processes are.
    return process.platform !== 'linux'
  }
}
