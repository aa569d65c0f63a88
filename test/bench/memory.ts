import { readdirSync, readFileSync } from 'node:fs'

const LOOK_EVERY_MS = 250

/** The most that this process and its children have had in memory at a time; files in a folder on disk are not in it. */
export function watchMemory(): { stop: () => number } {
  let mostKiB = 0
  const look = () => {
    const parents = new Map(processes().map(({ pid, parent, residentKiB }) => [pid, { parent, residentKiB }]))
    const mine = (pid: number): boolean =>
      pid === process.pid || (parents.has(pid) && mine(parents.get(pid)?.parent ?? 0))
    const sum = [...parents].reduce((all, [pid, { residentKiB }]) => all + (mine(pid) ? residentKiB : 0), 0)
    mostKiB = Math.max(mostKiB, sum)
  }
  const timer = setInterval(look, LOOK_EVERY_MS)
  return {
    stop() {
      clearInterval(timer)
      return mostKiB / 1024
    },
  }
}

function processes(): { pid: number; parent: number; residentKiB: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, 'utf8')
        const value = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
        return [{ pid: Number(name), parent: value('PPid'), residentKiB: value('VmRSS') }]
      } catch {
        return []
      }
    })
}
