import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'

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
import type { PortName } from '../../../shared/podcast/ports.ts'
import { meaningOf, ProviderError } from '../../../shared/providers/provider-error.ts'
import { PROVIDER_NAMES } from '../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import { accountAt, guardOf, IMPLEMENTATIONS, KEY, makePort, PORT_CALLS } from './provider-fixtures.ts'

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

type Call = (implementation: unknown) => Promise<unknown>
/** Without a voice it would be looked up first. */
const SETTINGS: { readonly [Name in ProviderName]?: Record<string, string> } = {
  elevenlabs: { ELEVENLABS_VOICE_ID: 'JBFqnCBsd6RMkjVDRZzb' },
}

/** Calls a provider by way of a port, which has one guard of its own. */
async function callPort(name: ProviderName, port: PortName, kind: 'charged' | 'asks', mode?: FaultMode) {
  const account = accountAt(name, `${services[name].origin}${STAND_INS[name].basePath}`, SETTINGS[name])
  // Nobody waits two minutes for a table.
  const guard = guardOf(name, mode === 'blackhole' ? 0.01 : 1)
  const call = PORT_CALLS[port][kind] as Call
  return call(await makePort(port, account, guard))
}

/** What the step's attempt comes to, and what is told of it in the end. */
function outcomeOf(error: unknown): { kind: string; message: string; ambiguous: boolean | undefined } {
  const outcome = outcomeAt(1, error)
  const last = outcome.kind === 'tryAgain' ? outcomeAt(5, error) : outcome
  const ambiguous = 'call' in outcome ? outcome.call === 'ambiguous' : undefined
  return { kind: outcome.kind, message: 'problem' in last ? last.problem.message : '', ambiguous }
}

function outcomeAt(attempt: number, error: unknown): Outcome {
  const failed: FailedAttempt = {
    failure: explain(error),
    kind: 'call',
    provider: error instanceof ProviderError ? error.provider : undefined,
    hasNextProvider: false,
    step: {
      state: 'running',
      attempt,
      dispatch: 1,
      unreadable: attempt - 1,
      paid: { calls: 1, repeats: 0, open: true },
    },
    callCounted: true,
    callLeft: true,
    wasCharged: false,
    mayFallBack: false,
    isUpgrade: false,
    startedAtMs: 0,
    jitter: 0,
    errorId: 'e1',
  }
  const decision = afterFailure(failed, { fallbackAfterMs: 120_000, deadlineMs: 86_400_000 }, 0)
  if (decision.next !== 'settle') throw new Error('a fallback where there is none')
  return decision.outcome
}

const AWAY = 'A service we depend on is temporarily unavailable. Please try again shortly.'
const TRIED = 'We tried this several times without success. You can try again now; what is already done is kept.'
const DECLINED =
  'A service declined this content for its own safety rules. Please try again with another text, or make a new episode with another recording.'

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
  /** What it is where the answer is to be sound, which is what it is said to be by whoever sends it. */
  asSound?: Pick<Row, 'class' | 'breaker'>
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
    ambiguous: false,
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
    // It is not lost, and the next is a repeat of it all the same.
    ambiguous: true,
    asSound: { class: 'unusable', breaker: 'ignored' },
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

describe.each(IMPLEMENTATIONS)('$name, $port', ({ name, port }) => {
  // Transcription and mastering take no text that could be declined.
  const rows = TABLE.filter(({ mode }) => mode !== 'blocked' || port === 'writers' || port === 'speakers')
  test.each(rows.map((row) => [`${row.mode} ${JSON.stringify(row.more ?? {})}`, row] as const))(
    '%s',
    async (_name, row) => {
      await faults.set(name, { mode: row.mode, ...row.more })
      // A connection that was open until just now could still be taken for one.
      if (row.mode === 'down')
        await vi.waitFor(() =>
          expect(fetch(services[name].origin)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } }),
        )
      const error = await failureOf(callPort(name, port, 'charged', row.mode))
      expect(error).toBeInstanceOf(ProviderError)
      const { kind, message, ambiguous } = outcomeOf(error)
      const seen = {
        class: (error as ProviderError).kind,
        breaker: meaningWord(error),
        requests: journal.of(name).length,
        outcome: kind,
        message,
      }
      const { class: expectedClass, breaker } = (port === 'speakers' && row.asSound) || row
      expect(seen).toEqual({
        class: expectedClass,
        breaker,
        requests: row.requests[0],
        outcome: row.outcome,
        message: row.message,
      })
      expect(ambiguous).toBe(row.ambiguous)
      if (PORT_CALLS[port].asks === undefined || (await makePort(port, accountAt(name, 'http://x'))).kind === 'call')
        return
      journal.clear()
      const asked = await failureOf(callPort(name, port, 'asks', row.mode))
      expect(asked).toMatchObject({ kind: row.class })
      expect(journal.of(name).length).toBe(row.requests[1])
    },
  )

  test('slow: nothing but slow', async () => {
    await faults.set(name, { mode: 'slow', latencyMs: 50 })
    const error = await failureOf(callPort(name, port, 'charged'))
    expect([error, journal.of(name).length]).toEqual([undefined, 1])
  })
})
