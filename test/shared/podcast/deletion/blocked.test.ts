import { describe, expect, test } from 'vitest'

import { blockedUntilMs, openKeys } from '../../../../shared/podcast/deletion/blocked.ts'
import type { Episode } from '../../../../shared/podcast/episode.ts'
import { draft } from '../episode-fixtures.ts'

const MINUTE_MS = 60_000
const DELETED_MS = 1_800_000_000_000
const LEASE = { token: 't', untilMs: DELETED_MS + 2 * MINUTE_MS }
const audio = { key: 'k', contentType: 'audio/flac' }

function deleted(given: Partial<Episode> = {}): Episode {
  return { ...draft(), deletedAtMs: DELETED_MS, ...given }
}
function holding(lease: typeof LEASE): Episode['steps'] {
  const { steps } = draft()
  return { ...steps, write: { ...steps.write, state: 'running', lease } }
}
const stray = (key: string, minutes: number) => ({ key, bytes: 1, untilMs: DELETED_MS + minutes * MINUTE_MS })

describe('a deleted episode', () => {
  test.each([
    ['of which nothing was handed out', {}, undefined],
    ['whose worker may still send', { steps: holding(LEASE) }, 12],
    [
      'whose worker had lost its lease, and may be sending',
      { steps: holding({ ...LEASE, untilMs: DELETED_MS - MINUTE_MS }) },
      9,
    ],
    [
      'whose upgrade is worked on',
      { upgrade: { step: 'write', generation: 2, startedAtMs: 0, steps: holding(LEASE), results: {} } },
      12,
    ],
    [
      'with a link that is good for half an hour',
      { audio: { ...audio, linkUntilMs: DELETED_MS + 30 * MINUTE_MS } },
      30,
    ],
    [
      'with a link that is good for longer than anything waits',
      { audio: { ...audio, linkUntilMs: DELETED_MS + 90 * MINUTE_MS } },
      45,
    ],
    ['with a link that has ended', { audio: { ...audio, linkUntilMs: DELETED_MS - 1 } }, undefined],
    ['with uploads that were begun', { strays: [stray('a', 3), stray('b', 7)] }, 7],
  ] as const)('%s waits so many minutes', (_what, given, minutes) => {
    const untilMs = blockedUntilMs(deleted(given as Partial<Episode>))
    expect(untilMs === undefined ? undefined : (untilMs - DELETED_MS) / MINUTE_MS).toBe(minutes)
  })

  test('blocks just the names that its owner could still store under', () => {
    const strays = [stray('begun', 3), stray('over', -3)]
    const linked = { ...audio, linkUntilMs: DELETED_MS + 1 }
    expect(openKeys(deleted({ audio: linked, strays }))).toEqual(['k', 'begun'])
    expect(openKeys(deleted({ audio, strays: [stray('over', 0)] }))).toEqual([])
  })
})
