import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import * as z from 'zod'

import { loadConfiguration } from '../../../shared/dependencies/config.ts'
import { HttpError } from '../../../shared/http/http-error.ts'
import { createEndpoint } from '../../../shared/http/endpoint.ts'
import type { EndpointRow } from '../../../shared/http/endpoint-row.ts'
import { KeyBudget } from '../../../shared/quotas/key-budget.ts'
import { RateLimiter } from '../../../shared/quotas/rate-limiter.ts'
import { sharedRates } from '../../../shared/store/rates.ts'
import type { ChainDependencies } from '../../../shared/http/exchange.ts'
import type { Serve } from '../../../shared/http/arrival.ts'
import { refuseUnguarded, serveInFrontOfFramework } from '../../../shared/http/framework/serve-in-front.ts'
import { failureOfFirestore, firestoreAccess } from '../../../shared/store/firestore.ts'
import { idempotencyRecords } from '../../../shared/store/idempotency.ts'
import { log } from '../../../shared/telemetry/log.ts'
import { keepSecret } from '../../../shared/telemetry/redact.ts'
import { thrownThings } from './thrown-things.ts'

/**
 * Functions that misbehave on purpose, behind the real edge, as the framework loads a package of functions. One process
 * serves all of them: the header `x-row` says which, so that a test need not start a process for each.
 */
const config = loadConfiguration(process.env)
keepSecret([config.providers.gemini.apiKey])

/** Stands for the token check, which has tests of its own: the token's middle part is the caller. */
const tokens: ChainDependencies['tokens'] = {
  preload: () => undefined,
  verify: async (token) => {
    const who = token.split('.')[1] ?? ''
    if (who === 'nobody') throw new HttpError('unauthenticated')
    return who === 'tasks'
      ? { kind: 'service', email: config.tasksServiceAccount }
      : { kind: 'user', userId: who, admin: false }
  },
}
const firestore = firestoreAccess(config, new CircuitBreaker({ name: 'firestore', classify: failureOfFirestore }))
const needs: ChainDependencies = {
  config,
  tokens,
  idempotency: idempotencyRecords(firestore, Date.now),
  rates: new RateLimiter(
    sharedRates(firestore),
    () => performance.now(),
    () => undefined,
  ),
  keys: new KeyBudget(sharedRates(firestore), () => performance.now()),
  now: Date.now,
}

const KIB = 1024
const row = (name: string, more: Partial<EndpointRow>): EndpointRow => ({
  name,
  method: 'POST',
  caller: 'anyone',
  input: 'json',
  bodyBytesMax: 1024 * KIB,
  timeoutSeconds: 30,
  ...more,
})

/** What handlers have done and seen, for tests to ask about. */
const state = { begun: 0, aborted: 0, effects: 0 }
const effectsOf = new Map<string, number>()

/** Requests that are held until the test lets them go on. */
const held = new Set<() => void>()
process.on('message', (message) => {
  if (message === 'release') for (const release of held) release()
})
// Waiting to hear from the test must not keep the process alive.
process.channel?.unref()
// Before the log writes its last lines, which may have to wait for their reader.
process.prependListener('exit', () => writeSync(2, 'edge-functions: ending\n'))

const Misdeed = z.looseObject({ what: z.string().default(''), ms: z.coerce.number().max(60_000).default(0) })

const misbehave = createEndpoint(
  row('misbehave', { method: 'GET', input: 'query', timeoutSeconds: 30 }),
  {
    input: Misdeed,
    async handle({ input: { what, ms }, signal }) {
      if (what === 'unawaited') void Promise.reject(new Error('nobody awaited this'))
      if (what === 'uncaught')
        setTimeout(() => {
          throw new Error('nobody caught this')
        }, 5)
      if (what === 'unserialisable') {
        const circle: Record<string, unknown> = {}
        return { status: 200, json: Object.assign(circle, { circle }) }
      }
      if (what === 'secret') throw new Error(`key ${config.providers.gemini.apiKey}, bearer abcdefghijkl, ?token=hush1`)
      if (what === 'say') for (let line = 0; line < ms; line++) log('INFO', 'said', { line })
      else if (what === 'hold' || ms > 0) {
        state.begun++
        await (what === 'hold' ? holdUntilReleased(signal) : sleep(ms, undefined, { signal })).catch(
          (error: unknown) => {
            state.aborted++
            throw error
          },
        )
      }
      const thrown = thrownThings()[what]
      if (thrown !== undefined) thrown()
      return { status: 200, json: { ok: true } }
    },
  },
  () => needs,
)

const endpoints: Record<string, Serve> = {
  misbehave,
  noop: createEndpoint(
    row('noop', { method: 'GET', input: 'query' }),
    { input: z.unknown(), handle: async () => ({ status: 200, json: { ok: true } }) },
    () => needs,
  ),
  echo: createEndpoint(
    row('echo', { caller: 'user' }),
    {
      input: z.looseObject({}),
      handle: async ({ input }) => ({ status: 200, json: { bytes: JSON.stringify(input).length } }),
    },
    () => needs,
  ),
  upload: createEndpoint(
    row('upload', {
      input: 'stream',
      bodyBytesMax: 30 * 1024 * KIB,
      largerThan: { use: 'upload-url', advice: 'Please use upload-url.' },
    }),
    {
      input: z.unknown(),
      async handle({ body }) {
        let bytes = 0
        for await (const chunk of body()) bytes += (chunk as Buffer).length
        return { status: 200, json: { bytes } }
      },
    },
    () => needs,
  ),
  task: createEndpoint(
    row('task', { caller: 'tasks', timeoutSeconds: 3, slowSeconds: { slow: 0.5, verySlow: 20 } }),
    { input: Misdeed, handle: async ({ input, signal }) => answerAfter(input.ms, signal) },
    () => needs,
  ),
  impatient: createEndpoint(
    row('impatient', { timeoutSeconds: 4 }),
    { input: Misdeed, handle: async () => ({ status: 200, json: {} }) },
    () => needs,
  ),
  hook: createEndpoint(
    row('hook', { caller: 'provider', input: 'ignored', bodyBytesMax: 64 * KIB }),
    { input: Misdeed, handle: async ({ input, signal }) => answerAfter(input.ms, signal) },
    () => needs,
  ),
  deaf: createEndpoint(
    row('deaf', { method: 'GET', input: 'query', timeoutSeconds: 3 }),
    {
      input: Misdeed,
      async handle({ signal }) {
        signal.addEventListener('abort', () => state.aborted++)
        await sleep(3000)
        return { status: 200, json: {} }
      },
    },
    () => needs,
  ),
  effect: effectEndpoint('effect', 12),
  'brief-effect': effectEndpoint('brief-effect', 3),
  state: createEndpoint(
    row('state', { method: 'GET', input: 'query' }),
    { input: z.unknown(), handle: async () => ({ status: 200, json: { ...state, effects: effectsOf.size } }) },
    () => needs,
  ),
}

function effectEndpoint(name: string, timeoutSeconds: number): Serve {
  return createEndpoint(
    row(name, { caller: 'user', timeoutSeconds }),
    { input: Misdeed.extend({ name: z.string() }), handle: async (call) => haveEffect(call) },
    () => needs,
  )
}

type EffectCall = {
  input: { what: string; ms: number; name: string }
  operation: { id: string; resumed: boolean }
  signal: AbortSignal
}

/** An effect that happens once per operation, and then whatever the test asked for. */
async function haveEffect({ input: { what, ms, name }, operation, signal }: EffectCall) {
  const times = (effectsOf.get(operation.id) ?? 0) + 1
  effectsOf.set(operation.id, times)
  if (ms > 0) await sleep(ms, undefined, { signal })
  if (what === 'die-once' && !operation.resumed) process.kill(process.pid, 'SIGKILL')
  if (what === 'fail-once' && times === 1) throw new HttpError('service_unavailable', { retryAfterSeconds: 0 })
  if (what === 'refuse') throw new HttpError('conflict', { details: { times } })
  return { status: 201, json: { name, id: operation.id, resumed: operation.resumed, times } }
}

async function holdUntilReleased(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    held.add(resolve)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

async function answerAfter(ms: number, signal: AbortSignal) {
  if (ms > 0) await sleep(ms, undefined, { signal })
  return { status: 200, json: {} }
}

serveInFrontOfFramework(async (request, response, arrival) => {
  const name = String(request.headers['x-row'])
  await (endpoints[name] ?? misbehave)(request, response, arrival)
})

export const edge = refuseUnguarded
