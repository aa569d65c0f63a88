import { expect, test } from 'vitest'

import { overheadOf } from '../../infra/demo/overhead.ts'

test('ours is what the stand-ins on the longest path did not take', () => {
  const record = (target: string, startedAtMs: number, endedAtMs: number) => ({
    target,
    episodeId: 'e',
    startedAtMs,
    endedAtMs,
  })
  const records = [
    record('assemblyai', 100, 5100),
    record('gemini', 5200, 8200),
    record('elevenlabs', 5200, 6200),
    record('auphonic', 8300, 10_300),
  ]
  expect(overheadOf(11_000, records)).toEqual({ totalMs: 11_000, standInMs: 10_000, share: 0.1 })
})
