import { afterAll, describe, expect, test } from 'vitest'

import { DEFAULT_ORDER } from '../../shared/providers/orders.ts'
import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'
import type { ProviderName } from '../../shared/providers/providers.ts'
import { PIPELINE, STEP_NAMES } from '../../shared/podcast/pipeline.ts'
import type { StepName } from '../../shared/podcast/pipeline.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import { SPOKEN, callSweep, clientOf, requestsTo, settled, startTestCloud, until, uploaded } from '../e2e/cloud.ts'
import { between, healingOf } from '../e2e/healing.ts'
import type { Healing } from '../e2e/healing.ts'

/** Every subset of the providers, away for the whole of an episode's life, and then back. */
const SUBSETS = Array.from({ length: 2 ** PROVIDER_NAMES.length }, (_, bits) =>
  PROVIDER_NAMES.filter((_name, index) => bits & (1 << index)),
)
/** Whom a step goes to. */
function providersOf(step: StepName): readonly ProviderName[] {
  const port = PIPELINE.find(({ name }) => name === step)?.port
  return port === undefined ? [] : DEFAULT_ORDER[port]
}
/** Whether everybody is away whom a step could go to. */
function isWithoutAny(step: StepName, away: readonly ProviderName[]): boolean {
  const providers = providersOf(step)
  return providers.length > 0 && providers.every((name) => away.includes(name))
}
/** Clouds side by side: most of an outage is waiting. */
const LANES = 4
const READY_MS_MAX = 60_000
const ENVIRONMENT = {
  FALLBACK_AFTER_SECONDS: '1.5',
  UPGRADE_AFTER_SECONDS: '0.5',
  BREAKER_RECOVERY_SECONDS: '0.5',
  BREAKER_RAMP_SECONDS: '0',
  BREAKER_CACHE_TTL_SECONDS: '0.2',
}

type Life = {
  ready: EpisodeView
  readyMs: number
  upgraded: EpisodeView
  healing: Healing
  paid: Record<string, number>
}

/** Lives through the outage of some providers, and through their return. */
async function live(lane: Awaited<ReturnType<typeof startTestCloud>>, away: readonly ProviderName[]): Promise<Life> {
  const client = await clientOf(lane, 'alice')
  const title = away.join(' and ') || 'nobody'
  const draft = await uploaded(client, title, { intro: { text: `Without ${title}.` } })
  for (const provider of away) await lane.faults.set(provider, { mode: 'down' })
  const startedAtMs = Date.now()
  await client.act('process', draft.id)
  const nobodyHears = providersOf('transcribe').every((name) => away.includes(name))
  if (nobodyHears) {
    await until(client, draft.id, ({ waitingFor }) => waitingFor?.provider === 'elevenlabs')
    await client.giveTranscript(draft.id, SPOKEN, 'text/plain')
  }
  const ready = await settled(client, draft.id)
  const readyMs = Date.now() - startedAtMs
  const healing = await healingOf(lane, draft.id)
  await lane.faults.clear()
  const stays = nobodyHears ? ['transcribe'] : []
  let upgraded = ready
  for (let sweeps = 0; sweeps < 100 && upgraded.degraded.length > stays.length; sweeps++) {
    await callSweep(lane)
    await new Promise((resolve) => setTimeout(resolve, 300))
    upgraded = await client.get(draft.id)
    if (upgraded.status !== 'ready') throw new Error(`an upgrade made it ${upgraded.status}`)
  }
  const paid = {
    assemblyai: requestsTo(lane, 'assemblyai', /^\/v2\/transcript$/, draft.id),
    gemini: requestsTo(lane, 'gemini', /generateContent$/, draft.id),
    elevenlabs: requestsTo(lane, 'elevenlabs', /text-to-speech/, draft.id),
    scribe: requestsTo(lane, 'elevenlabs', /speech-to-text/, draft.id),
    auphonic: requestsTo(lane, 'auphonic', /start\.json$/, draft.id),
  }
  return { ready, readyMs, upgraded, healing, paid }
}

const lives = new Map<string, Promise<Life>>()
/** All subsets, taken up by the lanes one after the other. */
async function liveAll(): Promise<void> {
  const settle = new Map<string, (life: Promise<Life>) => void>()
  for (const away of SUBSETS)
    lives.set(away.join(), new Promise<Life>((resolve) => settle.set(away.join(), (life) => resolve(life))))
  const queue = SUBSETS.values()
  const lane = async () => {
    const cloud = await startTestCloud({ environment: ENVIRONMENT })
    for (const away of queue) {
      const life = live(cloud, away)
      settle.get(away.join())?.(life)
      await life.catch(() => undefined)
    }
    await cloud.stop()
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}
const all = liveAll()
afterAll(() => all, 60_000)

describe('an episode of its whole life without', () => {
  test.each(SUBSETS.map((away) => [away.join(', ') || 'nobody', away] as const))(
    '%s is ready, degraded where it must be, and upgraded when they are back',
    async (_name, away) => {
      const { ready, readyMs, upgraded, healing, paid } = await (lives.get(away.join()) ??
        Promise.reject(new Error('no life')))
      const expected = STEP_NAMES.filter((step) => isWithoutAny(step, away))
      expect(ready).toMatchObject({ status: 'ready', degraded: expected })
      for (const step of STEP_NAMES) expect(ready.steps[step].degraded !== undefined).toBe(expected.includes(step))
      expect(readyMs).toBeLessThan(READY_MS_MAX)
      // Waiting and doing without is all that it takes: nothing was delivered again, and nobody helped.
      expect(healing).toMatchObject({ redeliveries: 0, cures: 0, attemptsLost: 0, failures: 0 })
      // Words that are typed while an attempt is asking once more fence out that one.
      const typed = isWithoutAny('transcribe', away)
      expect(healing.stepsFenced).toEqual(between(0, typed ? 1 : 0))
      if (away.length === 0) expect(healing.waits).toBe(0)
      // Another is gone to where the first is away, and nowhere else.
      expect(healing.passedOn > 0).toBe(away.includes('assemblyai'))
      expect(ready.outputs?.notes.description.length).toBeGreaterThan(20)
      expect(upgraded).toMatchObject({ status: 'ready', degraded: expected.filter((step) => step === 'transcribe') })
      // What somebody typed is not transcribed once more, and nothing is charged twice.
      const transcribed = away.includes('assemblyai') ? 0 : 1
      const heardBySecond = transcribed === 0 && !away.includes('elevenlabs') ? 1 : 0
      const once = { gemini: 1, elevenlabs: 1, auphonic: 1 }
      expect(paid).toEqual({ assemblyai: transcribed, scribe: heardBySecond, ...once })
    },
    300_000,
  )
})
