import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cancel, start } from '../../../shared/engine/transitions/owner.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { PIPELINE, STEP_NAMES } from '../../../shared/podcast/pipeline.ts'
import { recordedSeconds, usageChange } from '../../../shared/podcast/usage.ts'
import { asHttpError } from '../../../shared/http/http-error.ts'
import { limitsOf, PLANS } from '../../../shared/quotas/plans.ts'
import { QuotaExceeded } from '../../../shared/quotas/refusals.ts'
import { isRefusal, monthOf, nextMonthMs, reserve, totals, Usage } from '../../../shared/quotas/usage.ts'
import { usageView } from '../../../shared/quotas/view.ts'
import { askFor, doneAs, draft, FAILED, started } from '../podcast/episode-fixtures.ts'

const NOW_MS = Date.UTC(2026, 10, 25, 12)
const LIMITS = {
  storageBytes: 1000,
  drafts: 2,
  activeEpisodes: 3,
  episodesThisMonth: 5,
  minutesThisMonth: 10,
  requestsPerMinute: 60,
}
const empty = () => Usage.parse({})
const request = (id: string, more: object) => ({ id, lastsMs: 60_000, ...more })

function grant(usage: Usage, asked: ReturnType<typeof request>): Usage {
  const answer = reserve(usage, asked, LIMITS, NOW_MS)
  if (isRefusal(answer)) throw new Error(JSON.stringify(answer))
  return answer
}

describe('a reservation', () => {
  test('is granted up to the limit and not a byte beyond', () => {
    const usage = grant(grant(empty(), request('a', { bytes: 400 })), request('b', { bytes: 600 }))
    expect(totals(usage, NOW_MS).storageBytes).toBe(1000)
    expect(reserve(usage, request('c', { bytes: 1 }), LIMITS, NOW_MS)).toEqual({
      quota: 'storageBytes',
      used: 1000,
      limit: 1000,
      asked: 1,
    })
  })

  test('asked for twice under one name is one, and the last counts', () => {
    const usage = grant(grant(empty(), request('a', { bytes: 900 })), request('a', { bytes: 1000 }))
    expect(totals(usage, NOW_MS).storageBytes).toBe(1000)
  })

  test('that a crash has left behind ends by itself', () => {
    const usage = grant(empty(), request('a', { episodes: 1, seconds: 60 }))
    expect(totals(usage, NOW_MS)).toMatchObject({ activeEpisodes: 1, episodesThisMonth: 1, minutesThisMonth: 1 })
    expect(totals(usage, NOW_MS + 60_000)).toMatchObject({
      activeEpisodes: 0,
      episodesThisMonth: 0,
      minutesThisMonth: 0,
    })
  })

  test.each([
    ['activeEpisodes', { activeEpisodes: 3 }],
    ['episodesThisMonth', { activeEpisodes: 1, months: { '2026-11': { episodes: 4 } } }],
    ['minutesThisMonth', { activeSeconds: 300, months: { '2026-11': { seconds: 300 } } }],
  ])('of one more episode is refused at %s', (quota, used) => {
    expect(reserve(Usage.parse(used), request('a', { episodes: 1, seconds: 1 }), LIMITS, NOW_MS)).toMatchObject({
      quota,
    })
  })

  test('is refused when there are too many to be kept', () => {
    const pending = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`p${i}`, { untilMs: NOW_MS + 1 }]))
    expect(isRefusal(reserve(Usage.parse({ pending }), request('a', { bytes: 1 }), LIMITS, NOW_MS))).toBe(true)
    expect(isRefusal(reserve(Usage.parse({ pending }), request('a', { bytes: 1 }), LIMITS, NOW_MS + 2))).toBe(false)
  })

  test('of last month’s is not this month’s', () => {
    const usage = Usage.parse({ months: { '2026-10': { episodes: 5, seconds: 600 } } })
    expect(totals(usage, NOW_MS)).toMatchObject({ episodesThisMonth: 0, minutesThisMonth: 0 })
    expect([monthOf(NOW_MS), new Date(nextMonthMs(NOW_MS)).toISOString()]).toEqual([
      '2026-11',
      '2026-12-01T00:00:00.000Z',
    ])
    expect(new Date(nextMonthMs(Date.UTC(2026, 11, 31))).toISOString()).toBe('2027-01-01T00:00:00.000Z')
  })
})

describe('a refusal', () => {
  test('says what was used, what the limit is and when it frees, in words and in details', () => {
    const monthly = new QuotaExceeded({ quota: 'episodesThisMonth', used: 5, limit: 5, asked: 1 }, NOW_MS)
    expect(asHttpError(monthly)).toMatchObject({
      code: 'quota_exceeded',
      status: 429,
      message: '5 of the 5 episodes of this month are used. The next ones are there on the first of next month (UTC).',
      details: { quota: 'episodesThisMonth', used: 5, limit: 5, asked: 1, resetsAt: '2026-12-01T00:00:00.000Z' },
      retryAfterSeconds: 475_200,
    })
    const storage = new QuotaExceeded({ quota: 'storageBytes', used: 2 ** 30, limit: 2 ** 31, asked: 2 ** 31 }, NOW_MS)
    expect(storage.message).toContain('1.0 of 2.0 GiB are used. Deleting episodes makes room at once.')
  })
})

describe('what an episode counts as', () => {
  const RESULTS = { transcribe: { transcriptKey: 't', durationSeconds: 90.4, wordCount: 3 } }

  test('is judged by its size until it is measured', () => {
    const audio = { key: 'k', contentType: 'audio/mpeg', sizeBytes: 16_000 }
    expect(recordedSeconds({ audio, results: {} })).toBe(1)
    expect(recordedSeconds({ audio: { ...audio, contentType: 'audio/wav', sizeBytes: 88_200 }, results: {} })).toBe(1)
    expect(recordedSeconds({ audio, results: RESULTS })).toBe(90)
  })

  /** What a document holds after these changes, as increments would have made it. */
  function add(usage: Usage, change: ReturnType<typeof usageChange>): Usage {
    if (change === undefined) return usage
    const { month, ...counters } = change
    const next = structuredClone(usage)
    for (const [name, amount] of Object.entries(counters) as ['storageBytes', number][]) next[name] += amount
    if (month === undefined) return next
    const { episodes = 0, seconds = 0 } = month
    const before = next.months[month.name] ?? { episodes: 0, seconds: 0, costs: {} }
    next.months[month.name] = { ...before, episodes: before.episodes + episodes, seconds: before.seconds + seconds }
    return next
  }

  test('is right after any life: what is counted is what is there, and only what became ready is counted for the month', () => {
    const others = fc.constantFrom('fail', 'cancel', 'retry', 'retry', 'retry', 'upload', 'delete')
    // Most is work: else hardly any life would come to its end.
    const anyAct = fc.oneof({ weight: 2, arbitrary: fc.constant('work') }, { weight: 1, arbitrary: others })
    const acts = fc.array(anyAct, { maxLength: 60, size: 'large' })
    let everReady = 0
    fc.assert(
      fc.property(acts, (sequence) => {
        let nowMs = NOW_MS
        let episode: Episode = draft({})
        let usage = add(empty(), usageChange(undefined, episode))
        let ready = 0
        const become = (after: Episode) => {
          if (after.status === 'ready' && episode.status !== 'ready') ready++
          usage = add(usage, usageChange(episode, after))
          episode = after
        }
        for (const act of sequence) {
          nowMs += 1000
          if (episode.deletedAtMs !== undefined) break
          if (act === 'upload' && episode.status === 'draft' && episode.audio)
            become({ ...episode, audio: { ...episode.audio, sizeBytes: nowMs % 977 } })
          else if (act === 'cancel' && episode.status === 'processing')
            become(cancel(PIPELINE, episode, {}, nowMs).next)
          else if (act === 'retry' && episode.status !== 'ready' && episode.status !== 'processing')
            become(start(PIPELINE, episode, {}, nowMs).next)
          else if (act === 'delete' && nowMs % 3 === 0) become({ ...episode, deletedAtMs: nowMs })
          else if ((act === 'work' || act === 'fail') && episode.status === 'processing') {
            const step = STEP_NAMES.find(
              (name) => episode.steps[name].state === 'pending' && episode.steps[name].dispatch > 0,
            )
            if (step === undefined) continue
            const task = { step, generation: episode.generation, dispatch: episode.steps[step].dispatch }
            const asked = askFor(episode, task, nowMs)
            if (asked.kind !== 'claimed') continue
            become(asked.moved.next)
            const result = step === 'transcribe' ? RESULTS.transcribe : undefined
            const outcome = act === 'work' ? { ...doneAs(step), result } : FAILED
            const moved = settle(PIPELINE, episode, { fence: asked.fence, outcome, cost: undefined }, nowMs)
            if (moved) become(moved.next)
          }
        }
        const there = episode.deletedAtMs === undefined
        expect(usage.storageBytes).toBe(there ? (episode.audio?.sizeBytes ?? 0) : 0)
        expect(usage.activeEpisodes).toBe(there && episode.status === 'processing' ? 1 : 0)
        expect(usage.activeSeconds).toBe(there && episode.status === 'processing' ? recordedSeconds(episode) : 0)
        expect(usage.months['2026-11']?.episodes ?? 0).toBe(ready)
        expect(usage.months['2026-11']?.seconds ?? 0).toBe(ready * 90)
        everReady += ready
      }),
      { numRuns: 300 },
    )
    expect(everReady).toBeGreaterThan(20)
  })

  test('is nothing new for most changes: no write beside the episode’s own', () => {
    const episode = started({}, NOW_MS).next
    expect(usageChange(episode, { ...episode, title: 'x', updatedAtMs: NOW_MS + 1 })).toBeUndefined()
  })

  test('costs what providers say, for the month in which they said it', () => {
    const before = started({}, NOW_MS).next
    const first = { ...before, costs: { gemini: { calls: 1, inputTokens: 100 } }, updatedAtMs: NOW_MS }
    expect(usageChange(before, first)).toEqual({
      month: { name: '2026-11', costs: { gemini: { calls: 1, inputTokens: 100 } } },
    })
    const second = { ...first, costs: { gemini: { calls: 2, inputTokens: 150 }, elevenlabs: { characters: 7 } } }
    expect(usageChange(first, second)).toEqual({
      month: { name: '2026-11', costs: { gemini: { calls: 1, inputTokens: 50 }, elevenlabs: { characters: 7 } } },
    })
  })
})

describe('a plan', () => {
  test('is the token’s, else the configured one', () => {
    expect(limitsOf('starter', 'standard')).toBe(PLANS.starter)
    for (const unknown of [undefined, '', 'gold', 'constructor'])
      expect(limitsOf(unknown, 'standard')).toBe(PLANS.standard)
  })

  test('without limits says so in usage-get', () => {
    expect(usageView(empty(), PLANS.unlimited, NOW_MS)).toMatchObject({
      usage: { storageBytes: 0, activeEpisodes: 0, episodesThisMonth: 0, minutesThisMonth: 0 },
      limits: { storageBytes: null, requestsPerMinute: null },
    })
  })
})
