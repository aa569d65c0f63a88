import { beforeEach, describe, expect, test } from 'vitest'

import type { HttpError } from '../../../shared/http/http-error.ts'
import { ProcessEnd } from '../../../shared/http/process-end.ts'

/** Surroundings in time of their own. */
function virtualProcess() {
  const world = { nowMs: 0, exits: [] as { atMs: number; code: number }[], events: [] as string[] }
  const timers: { dueMs: number; callback: () => void }[] = []
  const turns: (() => void)[] = []
  const end = new ProcessEnd({
    exit: (code) => world.exits.push({ atMs: world.nowMs, code }),
    after: (delayMs, callback) => timers.push({ dueMs: world.nowMs + delayMs, callback }),
    nextTurn: (callback) => turns.push(callback),
    log: (_severity, event) => world.events.push(event),
  })
  const turn = () => {
    for (const callback of turns.splice(0)) callback()
  }
  /** Lets time pass, timer by timer, with turns in between; what had ended would not go on. */
  const pass = (ms: number) => {
    const untilMs = world.nowMs + ms
    for (;;) {
      turn()
      const [next] = timers.toSorted((a, b) => a.dueMs - b.dueMs)
      if (world.exits.length > 0 || next === undefined || next.dueMs > untilMs) break
      timers.splice(timers.indexOf(next), 1)
      world.nowMs = next.dueMs
      next.callback()
    }
    if (world.exits.length === 0) world.nowMs = untilMs
  }
  return { world, end, turn, pass }
}

/** What the platform gives an instance after its SIGTERM. */
const PLATFORM_MS = 10_000

let { world, end, turn, pass } = virtualProcess()
beforeEach(() => ({ world, end, turn, pass } = virtualProcess()))

describe('a process that is told to end', () => {
  test('ends at once when it is idle, but not before the requests of this very turn are in', () => {
    end.drain('SIGTERM', 0)
    expect(end.draining).toBe(true)
    const leave = end.enter(() => undefined)
    turn()
    expect(world.exits).toEqual([])
    leave()
    turn()
    expect(world.exits).toEqual([{ atMs: 0, code: 0 }])
  })

  test('ends with the last of what was in flight', () => {
    const [first, second] = [end.enter(() => undefined), end.enter(() => undefined)]
    end.drain('SIGTERM', 0)
    pass(1_000)
    first()
    pass(1_000)
    expect(world.exits).toEqual([])
    second()
    turn()
    expect(world.exits).toEqual([{ atMs: 2_000, code: 0 }])
  })

  test('tells what takes too long to stop, early enough that its answer leaves, and is gone before it is killed', () => {
    const aborted: { atMs: number; reason: HttpError }[] = []
    end.enter((reason) => aborted.push({ atMs: world.nowMs, reason: reason as HttpError }))
    end.drain('SIGTERM', 0)
    pass(60_000)
    expect(aborted).toHaveLength(1)
    expect(aborted[0]?.atMs).toBeLessThanOrEqual(PLATFORM_MS - 2_000)
    expect(aborted[0]?.reason).toMatchObject({ code: 'service_unavailable', retryable: true })
    expect(world.exits).toHaveLength(1)
    expect(world.exits[0]?.atMs).toBeLessThan(PLATFORM_MS)
    expect(world.exits[0]?.atMs).toBeGreaterThanOrEqual((aborted[0]?.atMs ?? 0) + 1_000)
    expect(world.events).toEqual(['process.draining', 'process.ended_early'])
  })

  test('is told once, however often it is said, and ends with the worst of the reasons', () => {
    const leave = end.enter(() => undefined)
    end.drain('SIGTERM', 0)
    end.drain('uncaughtException', 1)
    end.drain('SIGTERM', 0)
    leave()
    turn()
    expect(world.exits.map(({ code }) => code)).toEqual([1])
    expect(world.events).toEqual(['process.draining'])
  })
})
