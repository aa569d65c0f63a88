import { Readable } from 'node:stream'
import * as z from 'zod'

import type { AudioSource, JobFailure, MasteredFile, Mastering, MasteringState } from '../../podcast/ports.ts'
import { CheckedSound } from '../../podcast/sound/checked-sound.ts'
import type { CallContext } from '../../resilience/call-context.ts'
import { callProvider } from '../call-provider.ts'
import type { GuardedAccount } from '../definition.ts'
import { ignoreRefusal, requestsOf, send, unusable } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { callsBack, placeToken } from '../webhook.ts'
import type { AlgorithmValue, ProductionRequest } from './api.ts'
import { sendForData } from './envelope.ts'
import { isForWantOfCredits } from './failures.ts'
import { Production, stateOf } from './production.ts'
import { explainSetUp } from './refusals.ts'

const CONTROL_TIMEOUT_MS = 20_000
const TRANSFER_TIMEOUT_MS = 420_000
/** Of the list of productions, newest first. */
const PAGE = { limit: 100, overlap: 5, most: 100 }
/** Their clock and ours do not agree to the minute. */
const CLOCK_SLACK_MS = 3_600_000
/** Names the intro where it is declared, and the field in which it is uploaded. */
const INTRO = 'intro'

/** What its settings come to (provider.ts). */
export type Settings = {
  readonly AUPHONIC_ALGORITHMS: Readonly<Record<string, AlgorithmValue>>
  readonly AUPHONIC_BITRATE_KBPS: string
}

/** Auphonic's productions as the port wants them. */
export function makeMastering(account: GuardedAccount<Settings>): Mastering {
  const { guard, config, name } = account
  const buildRequest = requestsOf(account, { Authorization: `Bearer ${config.apiKey}` })
  const { AUPHONIC_ALGORITHMS: algorithms, AUPHONIC_BITRATE_KBPS: bitrate } = config.settings

  return {
    name,
    kind: 'job',
    callsBack: callsBack(account),

    async create(request, call) {
      const { recording, intro, title, loudnessTarget } = request
      const webhook = placeToken(account, request.webhook)
      const files = config.canReachStorage ? await linksTo(recording, intro) : intro && declareIntro()
      const body = {
        metadata: { title },
        output_basename: request.jobKey,
        output_files: [{ format: 'mp3', bitrate, ending: 'mp3' }],
        algorithms: { ...algorithms, loudnesstarget: loudnessTarget },
        ...files,
        ...(webhook && { webhook: webhook.url }),
      } satisfies ProductionRequest
      const sent = buildRequest('create', 'POST', '/productions.json', JSON.stringify(body))
      const { uuid } = await ask({ ...sent, explain: explainSetUp }, Production, 1, call)
      return { id: uuid }
    },

    async find({ key, sinceMs }, call) {
      // What is made meanwhile moves the list on, and what is removed moves it back: pages overlap.
      for (let page = 0; page < PAGE.most; page++) {
        const offset = page * (PAGE.limit - PAGE.overlap)
        const sent = buildRequest('list', 'GET', `/productions.json?limit=${PAGE.limit}&offset=${offset}`)
        const productions = await ask({ ...sent, explain: explainSetUp }, z.array(Production), 3, call)
        const found = productions.find(({ output_basename: basename }) => basename === key)
        if (found !== undefined) return { id: found.uuid }
        const oldestMs = Date.parse(productions.at(-1)?.creation_time ?? '')
        if (productions.length < PAGE.limit || oldestMs < sinceMs - CLOCK_SLACK_MS) return undefined
      }
      return undefined
    },

    async read(id, call): Promise<MasteringState> {
      const sent = buildRequest('read', 'GET', `${pathOf(id)}.json`)
      let unpaid: string | undefined
      const look = async (signal: AbortSignal) => {
        const state = stateOf(sent, await sendForData(sent, Production, call, signal))
        unpaid = state.state === 'failed' && isForWantOfCredits(state.message) ? state.message : undefined
        // Whoever guards the account hears of it; this production is over all the same, and is not read again.
        if (unpaid !== undefined) throw new ProviderError(name, 'read', { kind: 'billing', message: unpaid })
        return state
      }
      return orGone(() => within(look, { operation: 'read', attemptsMax: 3 }, call)).catch((error: unknown) => {
        if (unpaid === undefined) throw error
        return { state: 'failed', reason: 'ended', message: unpaid } as const
      })
    },

    async start(id, { recording, intro, recordStart }, call) {
      return orGone(async () => {
        if (!config.canReachStorage) {
          await upload(id, { field: 'input_file', fileName: 'recording', source: recording }, call)
          if (intro) await upload(id, { field: INTRO, fileName: 'intro.mp3', source: intro }, call)
        }
        await recordStart('sent')
        try {
          await ask(buildRequest('start', 'POST', `${pathOf(id)}/start.json`), z.unknown(), 1, call)
        } catch (error) {
          if (await isAtWork(id, error, call)) return undefined
          if (!(error instanceof ProviderError && error.ambiguous)) await recordStart('notCarriedOut')
          throw error
        }
        return undefined
      })
    },

    /** The link answers with a redirect to storage, which must not see our key. */
    async download({ url, saidSeconds, saidBytes }, expectedSeconds, call) {
      const asked = { ...buildRequest('download', 'GET', ''), url, explain: explainDownload([401, 402]) }
      const attempt = async (signal: AbortSignal) => {
        const answer = await send({ ...asked, redirect: 'manual' }, call, signal)
        const location = answer.headers.get('location')
        if (answer.status < 300 || location === null) return answer
        await answer.body?.cancel()
        const fetched = { ...asked, url: new URL(location, url).href, headers: {}, explain: explainDownload([]) }
        return send(fetched, call, signal)
      }
      const limits = { attemptTimeoutMs: TRANSFER_TIMEOUT_MS, attemptsMax: 3 }
      const answer = await callProvider({ guard, operation: 'download', ...limits, attempt }, call)
      const expectations = { expectedSeconds, saidSeconds, saidBytes }
      return checkSound(asked, answer, expectations)
    },

    async stop(id, call) {
      await ignoreRefusal(ask(buildRequest('stop', 'POST', `${pathOf(id)}/stop.json`), z.unknown(), 2, call))
    },

    async remove(id, call) {
      await ignoreRefusal(ask(buildRequest('remove', 'DELETE', `${pathOf(id)}.json`), z.unknown(), 2, call))
    },
  }

  /** Whether a start that was refused had been carried out before: that is why a second one is. */
  async function isAtWork(id: string, refusal: unknown, call: CallContext): Promise<boolean> {
    if (!(refusal instanceof ProviderError) || !['invalid_input', 'conflict'].includes(refusal.kind)) return false
    const sent = buildRequest('read', 'GET', `${pathOf(id)}.json`)
    const { state } = await ask(sent, Production, 3, call).then(
      (production) => stateOf(sent, production),
      () => ({ state: 'unknown' }),
    )
    return state === 'working' || state === 'done'
  }

  /** Sends audio as bytes, as the main recording or as the intro. */
  async function upload(
    id: string,
    { field, fileName, source }: { field: 'input_file' | typeof INTRO; fileName: string; source: AudioSource },
    call: CallContext,
  ): Promise<void> {
    const form = new FormData()
    const bytes = new Response(Readable.toWeb(await source.bytes()) as ReadableStream)
    form.append(field, await bytes.blob(), fileName)
    const sent = buildRequest('upload', 'POST', `${pathOf(id)}/upload.json`, form)
    const attempt = (signal: AbortSignal) => sendForData(sent, z.unknown(), call, signal)
    const limits = { attemptTimeoutMs: TRANSFER_TIMEOUT_MS, attemptsMax: 1 }
    await callProvider({ guard, operation: 'upload', ...limits, attempt }, call)
  }

  function ask<T>(sent: ProviderRequest, data: z.ZodType<T>, attemptsMax: number, call: CallContext): Promise<T> {
    const attempt = (signal: AbortSignal) => sendForData(sent, data, call, signal)
    return within(attempt, { operation: sent.operation, attemptsMax }, call)
  }

  function within<T>(
    attempt: (signal: AbortSignal) => Promise<T>,
    limits: { readonly operation: string; readonly attemptsMax: number },
    call: CallContext,
  ): Promise<T> {
    return callProvider({ guard, attemptTimeoutMs: CONTROL_TIMEOUT_MS, ...limits, attempt }, call)
  }
}

function pathOf(id: string): string {
  return `/production/${encodeURIComponent(id.toWellFormed())}`
}

async function linksTo(recording: AudioSource, intro: AudioSource | undefined) {
  const link = intro && (await intro.link())
  return {
    input_file: await recording.link(),
    ...(link !== undefined && { multi_input_files: [{ type: 'intro' as const, input_file: link }] }),
  }
}

/** An intro that is uploaded later: its field is taken where it was declared. */
function declareIntro() {
  return { multi_input_files: [{ type: 'intro' as const, id: INTRO }] }
}

/** A production that somebody has removed: another one may end well. */
async function orGone<T>(work: () => Promise<T>): Promise<T | JobFailure> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ProviderError && error.kind === 'not_found')) throw error
    return { state: 'failed', reason: 'ended', message: error.message }
  }
}

/** A link that is no good any more: the production is asked for a fresh one. `account`: statuses about our account. */
function explainDownload(account: readonly number[]) {
  return (status: number) => {
    const isOfThisLink = status < 500 && ![...account, 408, 429].includes(status)
    return isOfThisLink ? { kind: 'unusable' as const, message: 'the link to the mastered sound is no good' } : {}
  }
}

function checkSound(
  request: ProviderRequest,
  { headers, body }: Response,
  expectations: Omit<MasteredFile, 'url'> & { readonly expectedSeconds: number | undefined },
): CheckedSound {
  if (/^(text\/|application\/(json|xml|xhtml))/i.test(headers.get('content-type') ?? ''))
    throw unusable(request, `the mastered sound is ${headers.get('content-type')?.split(';')[0]}`)
  const sound = new CheckedSound(expectations, (message) => unusable(request, message))
  const source = body === null ? Readable.from([]) : Readable.fromWeb(body)
  // It may fail before anybody listens: whoever stores it finds the error on the stream.
  sound.on('error', () => undefined)
  source.once('error', (cause) => sound.breakOff(cause))
  sound.once('close', () => source.destroy())
  return source.pipe(sound)
}
