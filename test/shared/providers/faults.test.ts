import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../../infra/local/faults.ts'
import type { FaultMode } from '../../../infra/local/faults.ts'
import type { HttpService } from '../../../infra/local/http-service.ts'
import { Journal } from '../../../infra/local/journal.ts'
import { WorkLog } from '../../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../../infra/local/providers/stand-ins.ts'
import { outcomeOfFailure } from '../../../shared/episodes/workers/failures.ts'
import type { Work } from '../../../shared/episodes/workers/work.ts'
import type { PortName, Ports } from '../../../shared/podcast/ports.ts'
import type { Guard } from '../../../shared/providers/call-provider.ts'
import { meaningOf, ProviderError } from '../../../shared/providers/provider-error.ts'
import { PROVIDER_NAMES } from '../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import { draft } from '../episodes/episode-fixtures.ts'
import { accountAt, CALL, guardOf, KEY, makePort, MASTERING, MATERIAL, TRANSCRIPTION } from './provider-fixtures.ts'

/** Every provider, every way in which it can fail, and what follows: one table, whose rows hold for all four. */
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

/** The call of each provider that is charged, or makes what is; and one that only asks, where there is one. */
const CALLS: Record<
  ProviderName,
  { charged: (guard: Guard) => Promise<unknown>; asks?: (guard: Guard) => Promise<unknown> }
> = {
  assemblyai: {
    charged: async (guard) => (await clientOf('transcribers', guard)).submit(TRANSCRIPTION, CALL),
    asks: async (guard) => (await clientOf('transcribers', guard)).find({ key: 'n', uploadedTo: undefined }, CALL),
  },
  gemini: { charged: async (guard) => (await clientOf('writers', guard)).writeNotes(MATERIAL, CALL) },
  elevenlabs: {
    charged: async (guard) => (await clientOf('speakers', guard)).speak({ text: 'Hello.', voiceId: undefined }, CALL),
  },
  auphonic: {
    charged: async (guard) => (await clientOf('masterings', guard)).create(MASTERING, CALL),
    asks: async (guard) => (await clientOf('masterings', guard)).find('n', CALL),
  },
}

function clientOf<Port extends PortName>(port: Port, guard: Guard): Promise<Ports[Port]> {
  const name = guard.provider as ProviderName
  return makePort(port, accountAt(name, `${services[name].origin}${STAND_INS[name].basePath}`), guard)
}

function guardFor(provider: ProviderName, mode?: FaultMode): Guard {
  // Nobody waits two minutes for a table.
  return guardOf(provider, mode === 'blackhole' ? 0.005 : 1)
}

/** What the step's attempt comes to. */
function outcomeOf(error: unknown): { kind: string; message: string; ambiguous?: boolean | undefined } {
  const outcome = outcomeOfFailure(
    {
      dependencies: { now: () => 0, random: () => 0 },
      step: { state: 'running', attempt: 1, dispatch: 1 },
      episode: draft(),
      name: 'write',
      wasCharged: () => false,
    } as unknown as Work,
    error,
  )
  const ambiguous = 'ambiguous' in outcome ? outcome.ambiguous : undefined
  const message = 'fault' in outcome ? outcome.fault.message : outcome.kind === 'tryAgain' ? outcome.giveUp.message : ''
  return { kind: outcome.kind, message, ambiguous }
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
  outcome: 'unavailable' | 'tryAgain' | 'failed'
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
    outcome: 'unavailable',
    message: AWAY,
    ambiguous: false,
  },
  {
    mode: 'reset',
    class: 'network',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'unavailable',
    message: AWAY,
    ambiguous: true,
  },
  {
    mode: 'blackhole',
    class: 'timeout',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'unavailable',
    message: AWAY,
    ambiguous: true,
  },
  {
    mode: 'status',
    more: { status: 500 },
    class: 'overloaded',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'unavailable',
    message: AWAY,
    ambiguous: true,
  },
  {
    mode: 'status',
    more: { status: 503 },
    class: 'overloaded',
    breaker: 'failure',
    requests: [1, 3],
    outcome: 'unavailable',
    message: AWAY,
    ambiguous: false,
  },
  {
    mode: 'throttle',
    more: { retryAfterSeconds: 7 },
    class: 'rate_limited',
    breaker: 'throttled',
    requests: [1, 1],
    outcome: 'unavailable',
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
    outcome: 'unavailable',
    message: AWAY,
    ambiguous: true,
  },
  {
    mode: 'auth',
    class: 'auth',
    breaker: 'auth',
    requests: [1, 1],
    outcome: 'unavailable',
    message: AWAY,
    ambiguous: false,
  },
  {
    mode: 'billing',
    class: 'billing',
    breaker: 'billing',
    requests: [1, 1],
    outcome: 'unavailable',
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
      const error = await failureOf(charged(guardFor(provider, row.mode)))
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
      const asked = await failureOf(asks(guardFor(provider, row.mode)))
      expect(asked).toMatchObject({ kind: row.class })
      expect(journal.of(provider).length).toBe(row.requests[1])
    },
  )

  test('slow: nothing but slow', async () => {
    await faults.set(provider, { mode: 'slow', latencyMs: 50 })
    const error = await failureOf(CALLS[provider].charged(guardFor(provider)))
    expect([error, journal.of(provider).length]).toEqual([undefined, 1])
  })
})
