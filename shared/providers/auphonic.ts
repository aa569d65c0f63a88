import { Readable } from 'node:stream'
import * as z from 'zod'

import type { ProviderConfig } from '../config.ts'
import { guardedCall } from './guarded-call.ts'
import type { CallContext, Guard } from './guarded-call.ts'
import { askForHealth, badResponse, jsonOf, requestsOf, send, sendForJson, unlessRefused } from './http.ts'
import type { CreditsLeft, ProviderRequest } from './http.ts'
import { kindOfStatus, ProviderError } from './provider-error.ts'
import type { ProviderErrorFields } from './provider-error.ts'

const CONTROL_TIMEOUT_MS = 20_000
const TRANSFER_TIMEOUT_MS = 420_000
const ANSWER_BYTES_MAX = 2 * 1024 * 1024
const LIST_LIMIT = 100

/** Status codes of a production (GET /info/production_status.json). */
const DONE = 3
const FAILED = 2
const NOT_STARTED: ReadonlySet<number> = new Set([9, 10])

const Production = z.object({
  uuid: z.string().min(1),
  status: z.number(),
  status_string: z.string().max(100).nullish(),
  error_message: z.string().nullish(),
  output_basename: z.string().nullish(),
  length: z.number().nullish(),
  used_credits: z.looseObject({ combined: z.number().nullish() }).nullish(),
  output_files: z.array(z.object({ download_url: z.string().nullish(), format: z.string().nullish() })).nullish(),
})
/** Hours of audio that are paid for and not used. */
const Account = z.object({ data: z.object({ credits: z.number() }) })
/** About one long episode. */
const CREDIT_HOURS_LOW = 2
const Envelope = z.object({
  status_code: z.number(),
  error_code: z.string().nullish(),
  error_message: z.string().nullish(),
})
const ErrorBody = Envelope.partial({ status_code: true })

export type ProductionState =
  | { state: 'new' }
  | { state: 'running'; doing: string }
  | { state: 'failed'; message: string }
  /** `creditHours`: what the provider says it charged. */
  | { state: 'done'; downloadUrl: string; durationSeconds: number; creditHours?: number }

export type Auphonic = ReturnType<typeof auphonic>

/** Audio mastering: https://auphonic.com/help/api/ */
export function auphonic({ apiKey, baseUrl }: ProviderConfig, guard: Guard) {
  const request = requestsOf('auphonic', baseUrl, { Authorization: `Bearer ${apiKey}` }, explain)
  const call = <T>(
    sent: ProviderRequest,
    data: z.ZodType<T>,
    attemptsMax: number,
    context: CallContext,
    attemptTimeoutMs = CONTROL_TIMEOUT_MS,
  ) =>
    guardedCall(
      {
        guard,
        operation: sent.operation,
        attemptTimeoutMs,
        attemptsMax,
        attempt: async (signal) =>
          unwrapped(
            sent,
            await sendForJson(
              sent,
              z.looseObject({ ...Envelope.shape, data: z.unknown() }),
              ANSWER_BYTES_MAX,
              context,
              signal,
            ),
            data,
          ),
      },
      context,
    )

  return {
    /** What is left of what was paid for, which is free to ask. */
    async check(signal: AbortSignal): Promise<CreditsLeft> {
      const { credits } = (await askForHealth(request('check', 'GET', '/user.json'), Account, signal)).data
      return { left: credits, unit: 'h', low: credits < CREDIT_HOURS_LOW }
    },

    /** Creates a production without starting it: free, so that its id can be recorded before anything is charged. */
    async create(
      production: {
        name: string
        title: string
        loudnessTarget: number
        webhookUrl?: string
        inputUrl?: string
        introUrl?: string
      },
      context: CallContext,
    ): Promise<{ uuid: string }> {
      const body = JSON.stringify({
        metadata: { title: production.title },
        output_basename: production.name,
        output_files: [{ format: 'mp3', bitrate: '128', ending: 'mp3' }],
        algorithms: {
          leveler: true,
          normloudness: true,
          loudnesstarget: production.loudnessTarget,
          denoise: true,
          filtering: true,
        },
        ...(production.inputUrl && { input_file: production.inputUrl }),
        ...(production.introUrl && { multi_input_files: [{ type: 'intro', input_file: production.introUrl }] }),
        ...(production.webhookUrl && { webhook: production.webhookUrl }),
      })
      return call(request('create', 'POST', '/productions.json', body), Production, 1, context)
    },

    /** The newest production of that name: how one is found whose id was never recorded. */
    async find(name: string, context: CallContext): Promise<{ uuid: string } | undefined> {
      const sent = request('list', 'GET', `/productions.json?limit=${LIST_LIMIT}`)
      const productions = await call(sent, z.array(Production), 3, context)
      return productions.find(({ output_basename: basename }) => basename === name)
    },

    /** Sends audio as bytes, as the main recording or as the intro. */
    async upload(
      uuid: string,
      field: 'input_file' | 'intro',
      bytes: Blob,
      fileName: string,
      context: CallContext,
    ): Promise<void> {
      const form = new FormData()
      form.append(field, bytes, fileName)
      const sent = request('upload', 'POST', `/production/${encodeURIComponent(uuid)}/upload.json`, form)
      await call(sent, z.unknown(), 1, context, TRANSFER_TIMEOUT_MS)
    },

    /** Starts the paid work. Only for a production that `read` calls `new`: a second start would be charged. */
    async start(uuid: string, context: CallContext): Promise<void> {
      await call(
        request('start', 'POST', `/production/${encodeURIComponent(uuid)}/start.json`),
        z.unknown(),
        1,
        context,
      )
    },

    /** Ends a running production. One that has ended, or is not there, is left as it is. */
    async stop(uuid: string, context: CallContext): Promise<void> {
      const sent = request('stop', 'POST', `/production/${encodeURIComponent(uuid)}/stop.json`)
      await unlessRefused(call(sent, z.unknown(), 2, context))
    },

    /** Removes a production and its files; one that is not there is no fault. */
    async remove(uuid: string, context: CallContext): Promise<void> {
      const sent = request('remove', 'DELETE', `/production/${encodeURIComponent(uuid)}.json`)
      await unlessRefused(call(sent, z.unknown(), 2, context))
    },

    async read(uuid: string, context: CallContext): Promise<ProductionState> {
      const sent = request('read', 'GET', `/production/${encodeURIComponent(uuid)}.json`)
      return stateOf(sent, await call(sent, Production, 3, context))
    },

    /** The mastered audio. The link answers with a redirect to storage, which must not see our key. */
    async download(downloadUrl: string, context: CallContext): Promise<Readable> {
      const attempt = async (signal: AbortSignal) => {
        const first = { ...request('download', 'GET', ''), url: downloadUrl, redirect: 'manual' as const }
        const answer = await send(first, context, signal)
        const location = answer.headers.get('location')
        if (answer.status < 300 || location === null) return answer
        await answer.body?.cancel()
        return send({ ...first, url: new URL(location, downloadUrl).href, headers: {} }, context, signal)
      }
      const limits = { attemptTimeoutMs: TRANSFER_TIMEOUT_MS, attemptsMax: 3 }
      const { body } = await guardedCall({ guard, operation: 'download', ...limits, attempt }, context)
      return Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
    },
  }
}

function stateOf(request: ProviderRequest, production: z.infer<typeof Production>): ProductionState {
  if (production.status === FAILED) return { state: 'failed', message: production.error_message ?? 'no reason given' }
  if (NOT_STARTED.has(production.status)) return { state: 'new' }
  if (production.status !== DONE) return { state: 'running', doing: production.status_string ?? 'at work' }
  const downloadUrl = production.output_files?.find(({ format }) => format === 'mp3')?.download_url
  if (downloadUrl == null || production.length == null)
    throw badResponse(request, 'a finished production without its file')
  const creditHours = production.used_credits?.combined ?? undefined
  return {
    state: 'done',
    downloadUrl,
    durationSeconds: production.length,
    ...(creditHours !== undefined && { creditHours }),
  }
}

/** The envelope can say no inside an HTTP 200: both must be looked at. */
function unwrapped<T>(
  request: ProviderRequest,
  envelope: z.infer<typeof Envelope> & { data?: unknown },
  schema: z.ZodType<T>,
): T {
  if (envelope.status_code !== 200)
    throw new ProviderError('auphonic', request.operation, {
      status: envelope.status_code,
      kind: kindOfStatus(envelope.status_code),
      ...explain(envelope.status_code, JSON.stringify(envelope)),
      message: envelope.error_message ?? 'refused without words',
    })
  const parsed = schema.safeParse(envelope.data)
  if (parsed.success) return parsed.data
  throw badResponse(request, `the answer lacks ${parsed.error.issues[0]?.path.join('.') ?? 'its data'}`)
}

function explain(_status: number, body: string): Partial<ProviderErrorFields> {
  const error = jsonOf(ErrorBody, body)
  if (error?.error_message == null) return {}
  return { message: error.error_message, ...(/credit/i.test(error.error_message) && { kind: 'billing' as const }) }
}
