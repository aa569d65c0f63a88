import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import { loadConfiguration } from '../../../shared/dependencies/config.ts'
import { accountOf } from '../../../shared/dependencies/providers.ts'
import type { AudioSource, JobTranscriber, PortName, Ports } from '../../../shared/podcast/ports.ts'
import type { Guard } from '../../../shared/providers/call-provider.ts'
import type { Account } from '../../../shared/providers/definition.ts'
import { meaningOf } from '../../../shared/providers/provider-error.ts'
import { providerNamed, PROVIDERS } from '../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../shared/providers/providers.ts'
import type { CallContext } from '../../../shared/resilience/call-context.ts'
import { ConcurrencyLimit } from '../../../shared/resilience/concurrency-limit.ts'
import { RetryBudget } from '../../../shared/resilience/retry-budget.ts'

const SPEECH = readFileSync(fileURLToPath(new URL('../../fixtures/speech.flac', import.meta.url)))
export const KEY = 'stand-in-key'

export const CALL: CallContext = { signal: new AbortController().signal, correlationId: 'c', random: () => 0 }

/** A provider's account at an address of this machine, with settings of its own by their variables. */
export function accountAt(name: ProviderName, baseUrl: string, settings: Record<string, string> = {}): Account {
  const prefix = name.toUpperCase()
  const variables = { [`${prefix}_API_KEY`]: KEY, [`${prefix}_BASE_URL`]: baseUrl, ...settings }
  const config = loadConfiguration({ GOOGLE_CLOUD_PROJECT: 'p', STORAGE_BUCKET: 'b', ...variables }, [])
  return accountOf(config, name)
}

/** What a provider makes for a port. */
export function makePort<Port extends PortName>(
  port: Port,
  account: Account,
  guard = guardOf(account.name),
): Promise<Ports[Port]> {
  const make = providerNamed(account.name as ProviderName).make[port]
  if (make === undefined) throw new Error(`${account.name} does not implement ${port}`)
  return make({ ...account, guard })
}

/** A transcriber that works in jobs. */
export async function makeJobTranscriber(account: Account, guard = guardOf(account.name)): Promise<JobTranscriber> {
  const transcriber = await makePort('transcribers', account, guard)
  if (transcriber.kind !== 'job') throw new Error(`${account.name} answers at once`)
  return transcriber
}

/** Guards of a test's own. `patience`: share of its time that a call is given. */
export function guardOf(provider: string, patience = 1): Guard {
  const breaker = new CircuitBreaker({ name: provider, classify: meaningOf })
  return { provider, breaker, limit: new ConcurrencyLimit(() => 0), budget: new RetryBudget(0), patience }
}

const RECORDING: AudioSource = {
  contentType: 'audio/mpeg',
  link: async (query = {}) => `http://127.0.0.1:1/a.mp3?${new URLSearchParams(query).toString()}`,
  bytes: async () => Readable.from([Buffer.from('sound')]),
}
const webhook = { url: 'http://127.0.0.1:1/hook?episodeId=e', token: 'secret-token' }

export const TRANSCRIPTION = {
  jobKey: 'n',
  language: 'en',
  recording: RECORDING,
  webhook,
  uploadedTo: undefined,
  rememberUpload: async () => undefined,
}
/** Whoever answers at once must have a recording to hear. */
const HEARD_AT_ONCE = {
  language: 'en',
  recording: { ...RECORDING, link: async () => `data:audio/flac;base64,${SPEECH.toString('base64')}` },
}
export const MASTERING = {
  jobKey: 'n',
  title: 'T',
  loudnessTarget: -16,
  recording: RECORDING,
  intro: undefined,
  webhook,
}
const MATERIAL = {
  title: 'T',
  language: 'en',
  durationSeconds: 5,
  passages: [{ startSeconds: 0, text: 'Hello there.' }],
}

/** Every provider with every port that it implements. */
export const IMPLEMENTATIONS = PROVIDERS.flatMap(({ name, make }) =>
  (Object.keys(make) as PortName[]).map((port) => ({ name, port })),
)

type Calls<Implementation> = {
  /** The call that is charged, or makes what is. */
  readonly charged: (implementation: Implementation) => Promise<unknown>
  /** One that only asks, where there is one. */
  readonly asks?: (implementation: Implementation) => Promise<unknown>
}

/** What a step asks of each port. */
export const PORT_CALLS: { readonly [Port in PortName]: Calls<Ports[Port]> } = {
  transcribers: {
    charged: (transcriber) =>
      transcriber.kind === 'job'
        ? transcriber.submit(TRANSCRIPTION, CALL)
        : transcriber.transcribe(HEARD_AT_ONCE, CALL),
    asks: (transcriber) =>
      transcriber.kind === 'job'
        ? transcriber.find({ key: 'n', uploadedTo: undefined }, CALL)
        : transcriber.transcribe(HEARD_AT_ONCE, CALL),
  },
  writers: { charged: (writer) => writer.writeNotes(MATERIAL, CALL) },
  speakers: { charged: (speaker) => speaker.speak({ text: 'Hello.', voiceId: undefined }, CALL) },
  masterings: {
    charged: (mastering) => mastering.create(MASTERING, CALL),
    asks: (mastering) => mastering.find({ key: 'n', sinceMs: 0 }, CALL),
  },
}
