import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { Journal } from '../../infra/local/journal.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'
import { addIntro } from '../../shared/podcast/sound/master-here.ts'
import { shiftTranscript } from '../../shared/podcast/words/transcript.ts'
import { accountAt, KEY, makePort } from '../shared/providers/provider-fixtures.ts'
import { masterStep } from '../shared/podcast/master-step.ts'
import { noise, secondsUntilLoud, toMp3 } from '../shared/podcast/sound/made-sound.ts'

/**
 * When the recording begins after its intro, as it is heard, and when its first cue says that it does: a soft intro, and
 * a recording that is loud from its first sample on.
 */
const WITHIN_SECONDS = 0.05
const SOFT = 150
const LOUD = 12_000

const options = { faults: new Faults(), journal: new Journal(), apiKey: KEY, pace: { factor: 0 } }
const auphonic = STAND_INS.auphonic.makeServers(options, new WorkLog())
const services = [auphonic.api, ...auphonic.behind]
beforeAll(() => Promise.all(services.map((service) => service.start())))
afterAll(() => Promise.all(services.map((service) => service.stop())))

/** Auphonic as one that is sent bytes. */
async function mastering() {
  const account = accountAt('auphonic', `${auphonic.api.origin}/api`)
  const config = { ...account.config, canReachStorage: false, canReachWebhooks: false }
  return makePort('masterings', { ...account, config })
}

function firstCueSeconds(introSeconds: number): number {
  const word = { text: 'One', startMs: 0, endMs: 400 }
  const transcript = { language: 'en', durationSeconds: 1, text: 'One', words: [word] }
  return (shiftTranscript(transcript, Math.round(introSeconds * 1000)).words[0]?.startMs ?? NaN) / 1000
}

describe.each([
  [0.731, 1.237],
  [1.4321, 2.781],
  [2.05, 3.333],
  [2.6457, 1.999],
  [3.1614, 2.5005],
  [0.9999, 4.101],
  [1.7321, 1.75],
  [2.2361, 2.0101],
  [1.0261, 3.0307],
  [4.0013, 1.4999],
])('an intro of %d s before a recording of %d s', (introSeconds, recordingSeconds) => {
  const make = async (encoded: readonly string[]) => ({
    intro: await toMp3(noise(introSeconds, SOFT), encoded),
    recording: noise(recordingSeconds, LOUD),
    // As AssemblyAI tells it.
    recordingSeconds: Math.floor(recordingSeconds),
  })

  test('joined by Auphonic', async () => {
    const step = masterStep({ ...(await make([])), mastering: await mastering() })
    const made = await step.finish(20)
    const sound = step.objects.get(made.audioKey) ?? Buffer.alloc(0)
    expect(Math.abs(firstCueSeconds(made.introSeconds) - (await secondsUntilLoud(sound)))).toBeLessThan(WITHIN_SECONDS)
    expect(Math.abs(made.durationSeconds - introSeconds - recordingSeconds)).toBeLessThan(WITHIN_SECONDS)
  })
})

test('an intro that says nothing of its padding, joined here', async () => {
  const intro = await toMp3(noise(1.2345, SOFT), ['-write_xing', '0'])
  const step = masterStep({ intro, recording: noise(2.3456, LOUD), recordingSeconds: 2 })
  const made = await step.fallBack()
  const sound = step.objects.get(made.audioKey) ?? Buffer.alloc(0)
  expect(Math.abs(firstCueSeconds(made.introSeconds) - (await secondsUntilLoud(sound)))).toBeLessThan(0.005)
})

test('an intro that is put before what was mastered without one', async () => {
  const mastered = await toMp3(noise(2.3456, LOUD))
  const step = masterStep({ intro: await toMp3(noise(1.2345, SOFT)), recording: mastered, recordingSeconds: 2 })
  const made = await addIntro({ signal: new AbortController().signal, tell: () => undefined }, step.tools, {
    userId: 'ann',
    recordingKey: 'recording',
    recordingBytes: 1,
    recordingSeconds: 2,
    introKey: 'intro',
    masteredKey: 'recording',
    audioKey: 'joined',
    targetLufs: -40,
  })
  const sound = step.objects.get('joined') ?? Buffer.alloc(0)
  expect(Math.abs(firstCueSeconds(made.introSeconds) - (await secondsUntilLoud(sound)))).toBeLessThan(0.005)
})
