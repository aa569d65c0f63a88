import { expect, test } from 'vitest'

import { NoFallback } from '../../../../shared/engine/failure.ts'
import { lineMsMax, secondsOfSound, workMsMax } from '../../../../shared/podcast/sound/master-here.ts'
import { masterStep } from '../master-step.ts'
import { noise } from './made-sound.ts'

test('a recording that lasts longer than it is known to is not mastered here', async () => {
  // A hundred seconds at 1 kHz, known as one of five: 67.5 s may come out.
  const recording = noise(100, 9000, 1000)
  const known = masterStep({ recording, intro: undefined, recordingSeconds: 5 })
  const error: unknown = await known.fallBack().catch((failure: unknown) => failure)
  expect(error).toBeInstanceOf(NoFallback)
  expect(error).toMatchObject({
    message: 'the recording cannot be read here',
    cause: { message: 'a recording that lasts longer than it says' },
  })
})

test.each([
  ['a little longer than it is known to be', 2],
  ['of a length that nobody knows', 0],
])('a recording %s is mastered here whole', async (_name, recordingSeconds) => {
  const step = masterStep({ recording: noise(2.9, 9000), intro: undefined, recordingSeconds })
  expect((await step.fallBack()).durationSeconds).toBeCloseTo(2.9, 1)
})

/** Mastered in WebAssembly, of a slow machine: ten seconds of a recording in one, and two to start. */
const masteredInMs = (seconds: number) => 2000 + seconds * 100

test.each([
  ['a voice memo at 6 kbit/s', 6, 60],
  ['a voice memo at 6 kbit/s', 6, 3600],
  ['half an hour at 32 kbit/s', 32, 1800],
  ['an hour at 64 kbit/s', 64, 3600],
  ['ten minutes of PCM', 1411, 600],
])('%s has the time that it takes', (_name, kbps, seconds) => {
  expect(workMsMax((seconds * kbps * 1000) / 8)).toBeGreaterThan(masteredInMs(seconds))
})

test('a file of 100 kB, however long it says it lasts, holds up others for little more than a minute', () => {
  expect(workMsMax(100_000)).toBeLessThanOrEqual(75_000)
})

test('what comes out is bounded by what is said, and by what fits in so many bytes, whatever is said', () => {
  expect(secondsOfSound(10_000_000, 600)).toBe(960)
  expect(secondsOfSound(10_000_000, undefined)).toBe(80_060)
  expect(secondsOfSound(100_000, 16 * 3600)).toBe(860)
  // An hour at 6 kbit/s, which is little even for speech.
  expect(secondsOfSound(2_700_000, undefined)).toBeGreaterThan(3600)
})

test('a short recording waits for its turn until the longest work of another is over, a long one for a minute', () => {
  expect(lineMsMax(100_000)).toBeGreaterThan(340_000)
  expect(lineMsMax(100_000) + workMsMax(100_000)).toBeLessThanOrEqual(420_000)
  expect(lineMsMax(500_000_000)).toBe(60_000)
})
