import { Readable } from 'node:stream'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../../infra/local/faults.ts'
import type { FaultMode } from '../../../infra/local/faults.ts'
import type { HttpService } from '../../../infra/local/http-service.ts'
import { Journal } from '../../../infra/local/journal.ts'
import { WorkLog } from '../../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../../infra/local/providers/stand-ins.ts'
import { explain } from '../../../shared/dependencies/engine.ts'
import { afterFailure } from '../../../shared/engine/after-failure.ts'
import type { FailedAttempt } from '../../../shared/engine/after-failure.ts'
import type { Outcome } from '../../../shared/engine/outcome.ts'
import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import type { AudioSource, PortName, Ports } from '../../../shared/podcast/ports.ts'
import type { Guard } from '../../../shared/providers/call-provider.ts'
import { meaningOf, ProviderError } from '../../../shared/providers/provider-error.ts'
import { PROVIDER_NAMES, providerNamed } from '../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import type { CallContext } from '../../../shared/resilience/call-context.ts'
import { ConcurrencyLimit } from '../../../shared/resilience/concurrency-limit.ts'
import { RetryBudget } from '../../../shared/resilience/retry-budget.ts'

/** Every provider, every way in which it can fail, and what follows: one table, whose rows hold for all four. */
const KEY = 'stand-in-key'
const faults = new Faults()
const journal = new Journal()
const work = new WorkLog()
const options = { faults, journal, apiKey: KEY, pace: { factor: 0 } }
const services = Object.fromEntries(
  PROVIDER_NAMES.map((name) => [name, STAND_INS[name].makeServers(options, work).api]),
) as Record<ProviderName, HttpService>

beforeAll(async () => {
  await Promise.all(Object.values(services).map((service) => service.start()))
})
afterAll(async () => {
  await Promise.all(Object.values(services).map((service) => service.stop()))
})
afterEach(async () => {
  await faults.clear()
  journal.clear()
})

const SPOKEN = { title: 'T', language: 'en', durationSeconds: 5, passages: [{ startSeconds: 0, text: 'Hello there.' }] }
const recording: AudioSource = {
  contentType: 'audio/mpeg',
  link: async () => 'http://127.0.0.1:1/a.mp3',
  bytes: async () => Readable.from([]),
}
const webhook = { url: 'http://127.0.0.1:1/hook', token: 't' }
const TRANSCRIPTION = {
  jobKey: 'n',
  language: 'en',
  recording,
  webhook,
  uploadedTo: undefined,
  rememberUpload: async () => undefined,
}
const MASTERING = { jobKey: 'n', title: 'T', loudnessTarget: -16, recording, intro: undefined, webhook }
const context: CallContext = { signal: new AbortController().signal, correlationId: 'c', random: () => 0 }

/** The call of each provider that is charged, or makes what is; and one that only asks, where there is one. */
const CALLS: Record<
  ProviderName,
  { charged: (guard: Guard) => Promise<unknown>; asks?: (guard: Guard) => Promise<unknown> }
> = {
  assemblyai: {
    charged: async (guard) => (await clientOf('transcribers', guard)).submit(TRANSCRIPTION, context),
    asks: async (guard) => (await clientOf('transcribers', guard)).find({ key: 'n', uploadedTo: undefined }, context),
  },
  gemini: { charged: async (guard) => (await clientOf('writers', guard)).writeNotes(SPOKEN, context) },
  elevenlabs: {
    charged: async (guard) =>
      (await clientOf('speakers', guard)).speak({ text: 'Hello.', voiceId: undefined }, context),
  },
  auphonic: {
    charged: async (guard) => (await clientOf('masterings', guard)).create(MASTERING, context),
    asks: async (guard) => (await clientOf('masterings', guard)).find('n', context),
  },
}

function clientOf<Port extends PortName>(port: Port, guard: Guard): Promise<Ports[Port]> {
  const name = guard.provider as ProviderName
  const { explain, hook, make } = providerNamed(name)
  const makePort = make[port]
  if (makePort === undefined) throw new Error(`${name} does not implement ${port}`)
  const baseUrl = `${services[name].origin}${STAND_INS[name].basePath}`
  const config = { apiKey: KEY, baseUrl, canReachStorage: true, canReachHooks: true, settings: {} }
  return makePort({ name, explain, hook, config, guard })
}

function guardOf(provider: ProviderName, mode?: FaultMode): Guard {
  const breaker = new CircuitBreaker({ name: provider, classify: meaningOf })
  // Nobody waits two minutes for a table.
  const patience = mode === 'blackhole' ? 0.005 : 1
  return { provider, breaker, limit: new ConcurrencyLimit(() => 0), budget: new RetryBudget(0), patience }
}

/** What the step's attempt comes to, and what is told of it in the end. */
function outcomeOf(error: unknown): { kind: string; message: string; ambiguous: boolean | undefined } {
  const outcome = outcomeAt(1, error)
  const last = outcome.kind === 'tryAgain' ? outcomeAt(5, error) : outcome
  const ambiguous = 'call' in outcome && outcome.call !== 'unsent' ? outcome.call === 'ambiguous' : undefined
  return { kind: outcome.kind, message: 'problem' in last ? last.problem.message : '', ambiguous }
}

function outcomeAt(attempt: number, error: unknown): Outcome {
  const failed: FailedAttempt = {
    failure: explain(error),
    kind: 'call',
    provider: error instanceof ProviderError ? error.provider : undefined,
    hasNextProvider: false,
    step: { state: 'running', attempt, dispatch: 1, paid: { calls: 1, repeats: 0, open: true } },
    callCounted: true,
    callLeft: true,
    wasCharged: false,
    mayFallBack: false,
    isUpgrade: false,
    startedAtMs: 0,
    random: () => 0,
    errorId: 'e1',
  }
  const decision = afterFailure(failed, { fallbackAfterMs: 120_000, deadlineMs: 86_400_000 }, 0)
  if (decision.next !== 'settle') throw new Error('a fallback where there is none')
  return decision.outcome
}

const AWAY = 'A service we depend on is temporarily unavailable. Please try again shortly.'
const TRIED = 'We tried this several times without success. You can try again now; what is already done is kept.'
const DECLINED = 'A service declined this content for its own safety rules. Please change the text or the recording.'

type Row = {
  mode: FaultMode
  more?: object
  class: string
  /** What it means to the breaker. */
  breaker: 'failure' | 'ignored' | 'auth' | 'billing' | 'throttled'
  /** Requests that reached the provider for one charged call, and for one that only asks. */
  requests: [charged: number, asks: number]
  outcome: 'waiting' | 'tryAgain' | 'failed'
  message: string
  /** Whether the charged call may have been carried out unseen. */
  ambiguous: boolean
}

const TABLE: readonly Row[] = [
  {
    mode: 'down',
    class: 'network',
    breaker: 'failure',
    requests: [0, 0],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: false,
  },
  {
    mode: 'reset',
    class: 'network',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: true,
  },
  {
    mode: 'blackhole',
    class: 'timeout',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: true,
  },
  {
    mode: 'status',
    more: { status: 500 },
    class: 'overloaded',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: true,
  },
  {
    mode: 'status',
    more: { status: 503 },
    class: 'overloaded',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: false,
  },
  {
    mode: 'throttle',
    more: { retryAfterSeconds: 7 },
    class: 'rate_limited',
    breaker: 'throttled',
    requests: [1, 1],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: false,
  },
  {
    mode: 'malformed',
    class: 'bad_response',
    breaker: 'failure',
    requests: [1, 1],
    outcome: 'tryAgain',
    message: TRIED,
    ambiguous: true,
  },
  {
    mode: 'truncate',
    class: 'network',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: true,
  },
  {
    mode: 'auth',
    class: 'auth',
    breaker: 'auth',
    requests: [1, 1],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: false,
  },
  {
    mode: 'billing',
    class: 'billing',
    breaker: 'billing',
    requests: [1, 1],
    outcome: 'waiting',
    message: AWAY,
    ambiguous: false,
  },
  {
    mode: 'blocked',
    class: 'content_blocked',
    breaker: 'ignored',
    requests: [1, 1],
    outcome: 'failed',
    message: DECLINED,
    ambiguous: false,
  },
]

function meaningWord(error: unknown): string {
  const meaning = meaningOf(error)
  return typeof meaning === 'string' ? meaning : meaning.reason
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe.each(PROVIDER_NAMES)('%s', (provider) => {
  // Transcription and mastering take no text that could be declined.
  const rows = TABLE.filter(({ mode }) => mode !== 'blocked' || provider === 'gemini' || provider === 'elevenlabs')
  test.each(rows.map((row) => [`${row.mode} ${JSON.stringify(row.more ?? {})}`, row] as const))(
    '%s',
    async (_name, row) => {
      await faults.set(provider, { mode: row.mode, ...row.more })
      const { charged, asks } = CALLS[provider]
      const error = await failureOf(charged(guardOf(provider, row.mode)))
      expect(error).toBeInstanceOf(ProviderError)
      const { kind, message, ambiguous } = outcomeOf(error)
      const seen = {
        class: (error as ProviderError).kind,
        breaker: meaningWord(error),
        requests: journal.of(provider).length,
        outcome: kind,
        message,
      }
      expect(seen).toEqual({
        class: row.class,
        breaker: row.breaker,
        requests: row.requests[0],
        outcome: row.outcome,
        message: row.message,
      })
      if (ambiguous !== undefined) expect(ambiguous).toBe(row.ambiguous)
      if (asks === undefined) return
      journal.clear()
      const asked = await failureOf(asks(guardOf(provider, row.mode)))
      expect(asked).toMatchObject({ kind: row.class })
      expect(journal.of(provider).length).toBe(row.requests[1])
    },
  )

  test('slow: nothing but slow', async () => {
    await faults.set(provider, { mode: 'slow', latencyMs: 50 })
    const error = await failureOf(CALLS[provider].charged(guardOf(provider)))
    expect([error, journal.of(provider).length]).toEqual([undefined, 1])
  })
})
