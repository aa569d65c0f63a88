import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { readWords, runCommandLine } from '../../infra/command-line.ts'
import compileFunctions from '../e2e/compile-functions.ts'
import type { Crash } from './crash-point.ts'
import { DELETION_MS, leftoversOf } from './deletes.ts'
import type { Secrets } from './deletes.ts'
import { orphansOf } from './invariants.ts'
import { Lane, ORPHAN_AGE_SECONDS, sleep } from './lane.ts'
import type { Ended } from './lane.ts'

/**
 * `npm run test:crash`: every request of the pipeline that changes something elsewhere is found by watching one episode
 * go through, and for each the process is killed just before and just after it, or frozen past its lease while its task
 * is delivered again. Whatever is killed, each episode must end ready, once, paid for once.
 */
const LANES = 4
/** Share of the runs that must reach their point: hints and heartbeats do not fall alike in every run. */
const REACHED_LEAST = 0.9

const USAGE = `Usage: npm run test:crash [-- TEXT] [--verbose]
Kills and freezes processes at every request that changes something.
  TEXT        only at requests whose names hold it
  --verbose   says of each run when it ended`

await runCommandLine(USAGE, async () => {
  const options = { verbose: { type: 'boolean' } } as const
  const { positionals, values } = readWords(process.argv.slice(2), options, { allowPositionals: true })
  const [only] = positionals
  const verbose = values.verbose ?? false
  const folder = mkdtempSync(join(tmpdir(), 'steadycast-crash-'))
  const startedAtMs = Date.now()
  await compileFunctions()
  const lanes = await Promise.all(Array.from({ length: LANES }, (_, i) => Lane.open(folder, `lane-${i}`)))
  try {
    const recorded = await Promise.all(lanes.map((lane) => lane.record()))
    // A heartbeat or a sweep that happened to fall into one of the recordings is no point that a run could wait for.
    const points = recorded[0]?.filter((point) => recorded.every((one) => one.includes(point))) ?? []
    if (points.length < 20) throw new Error(`only ${points.length} points were found: is anything watched at all?`)
    const crashes = points
      .filter((point) => only === undefined || point.includes(only))
      .flatMap((point): Crash[] => [
        { point, side: 'before', signal: 'SIGKILL' },
        { point, side: 'after', signal: 'SIGKILL' },
        { point, side: 'after', signal: 'SIGSTOP' },
      ])
    process.stdout.write(`${points.length} points, ${crashes.length} runs\n`)
    const queue = crashes.values()
    const ended: Ended[] = []
    const usageFaults: string[] = []
    const toDelete = points.filter((point) => point.startsWith('work.') && point.includes(only ?? '')).values()
    const deleted: { lane: Lane; point: string; secrets: Secrets }[] = []
    const work = async (lane: Lane) => {
      const mine: Ended[] = []
      for (const crash of queue) {
        const result = await lane.run(crash)
        mine.push(result)
        if (verbose)
          process.stderr.write(
            `${((Date.now() - startedAtMs) / 1000).toFixed(1)} s ${result.struck} ${crash.signal} ${crash.side} ${crash.point}\n`,
          )
        if (result.faults.length > 0) report(result)
      }
      ended.push(...mine)
      // Whatever attempts that lost left in storage is old enough now.
      await sleep(ORPHAN_AGE_SECONDS * 1000 + 500)
      for (let i = 0; i < 3; i++) await lane.sweep()
      const miscounted = await lane.usageFaults()
      if (miscounted.length > 0) process.stdout.write(`usage: ${miscounted.join('; ')}\n`)
      usageFaults.push(...miscounted)
      for (const point of toDelete) deleted.push({ lane, point, secrets: await lane.runDeleted(point) })
      for (const result of mine) {
        const orphans = await orphansOf(lane.cloud, result.episodeId)
        if (orphans.length > 0) result.faults.push(`storage holds ${orphans.join(', ')}`)
        if (orphans.length > 0) report(result)
      }
    }
    await Promise.all(lanes.map(work))
    // Once for what was handed out, and once for what arrives late.
    await Promise.all(lanes.map((lane) => lane.pass(DELETION_MS)))
    await Promise.all(lanes.map((lane) => lane.pass(DELETION_MS)))
    let left = 0
    for (const { lane, point, secrets } of deleted) {
      const leftovers = await leftoversOf(lane.cloud, secrets)
      if (leftovers.length === 0) continue
      left++
      process.stdout.write(`deleted at ${point} (${secrets.episodeId}): ${leftovers.join(', ')} is left\n`)
    }
    process.stdout.write(`${deleted.length} episodes were deleted under a frozen worker, ${left} left something\n`)
    const struck = ended.filter((one) => one.struck).length
    const faulty = ended.filter(({ faults }) => faults.length > 0).length
    const seconds = Math.round((Date.now() - startedAtMs) / 1000)
    process.stdout.write(`${struck} of ${ended.length} runs reached their point; ${seconds} s\n`)
    const idle = struck < ended.length * REACHED_LEAST
    if (idle) process.stdout.write('too few runs reached their point to say anything\n')
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) process.stdout.write(`${healingInShort(ended, signal)}\n`)
    process.stdout.write(`${ended.length - faulty} passed, ${faulty} failed\n`)
    return faulty > 0 || idle || usageFaults.length > 0 || left > 0 ? 1 : 0
  } finally {
    await Promise.all(lanes.map(({ cloud }) => cloud.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
})

/** How often the product says it was healed, in all runs that were struck by one signal. */
function healingInShort(runs: readonly Ended[], signal: Crash['signal']): string {
  const healings = runs.filter(({ struck, crash }) => struck && crash?.signal === signal).map(({ healing }) => healing)
  const counters = ['redeliveries', 'cures', 'stepsFenced', 'attemptsLost'] as const
  const sums = counters.map((name) => {
    const counts = healings.map((healing) => healing[name])
    return `${name} ${counts.reduce((sum, count) => sum + count, 0)} (at most ${Math.max(0, ...counts)})`
  })
  return `healed in ${healings.length} runs with ${signal}: ${sums.join(', ')}`
}

function report({ crash, faults, episodeId }: Ended): void {
  process.stdout.write(`${crash?.signal} ${crash?.side} ${crash?.point} (${episodeId}): ${faults.join('; ')}\n`)
}
