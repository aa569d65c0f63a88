import { Readable } from 'node:stream'
import * as z from 'zod'

import type { CreditsLeft } from '../../operations/health/provider-checks.ts'
import type { AudioSource, Mastering, MasteringState } from '../../podcast/ports.ts'
import type { CallContext } from '../../resilience/call-context.ts'
import { callProvider } from '../call-provider.ts'
import type { Account, GuardedAccount } from '../definition.ts'
import { askForHealth, badResponse, ignoreRefusal, requestsOf, send, sendForJson } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { kindOfStatus, ProviderError } from '../provider-error.ts'
import { callsBack, placeToken } from '../webhook.ts'
import { classifyFailure } from './failures.ts'

const CONTROL_TIMEOUT_MS = 20_000
const TRANSFER_TIMEOUT_MS = 420_000
const ANSWER_BYTES_MAX = 2 * 1024 * 1024
const LIST_LIMIT = 100

/** Status codes of a production (GET /info/production_status.json). */
const DONE = 3
const FAILED = 2
const NOT_STARTED: ReadonlySet<number> = new Set([9, 10])

const OUTPUT_FILES = [{ format: 'mp3', bitrate: '128', ending: 'mp3' }]

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
type Production = z.infer<typeof Production>
/** Hours of audio that are paid for and not used. */
const AccountAnswer = z.object({ data: z.object({ credits: z.number() }) })
/** About one long episode. */
const CREDIT_HOURS_LOW = 2
const Envelope = z.looseObject({
  status_code: z.number(),
  error_code: z.string().nullish(),
  error_message: z.string().nullish(),
  data: z.unknown(),
})

/** What is left of what was paid for, which is free to ask. */
export async function checkAccount(account: Account, signal: AbortSignal): Promise<CreditsLeft> {
  const asked = requestBuilder(account)('check', 'GET', '/user.json')
  const { credits } = (await askForHealth(asked, AccountAnswer, signal)).data
  return { left: credits, unit: 'h', low: credits < CREDIT_HOURS_LOW }
}

export function makeMastering(account: GuardedAccount): Mastering {
  const { guard, config, name } = account
  const buildRequest = requestBuilder(account)

  return {
    name,
    kind: 'job',
    callsBack: callsBack(account),

    async create(request, call) {
      const { recording, intro, title, loudnessTarget } = request
      const links = config.canReachStorage && {
        input_file: await recording.link(),
        ...(intro && { multi_input_files: [{ type: 'intro', input_file: await intro.link() }] }),
      }
      const webhook = placeToken(account, request.webhook)
      const body = JSON.stringify({
        metadata: { title },
        output_basename: request.jobKey,
        output_files: OUTPUT_FILES,
        algorithms: {
          leveler: true,
          normloudness: true,
          loudnesstarget: loudnessTarget,
          denoise: true,
          filtering: true,
        },
        ...links,
        ...(webhook && { webhook: webhook.url }),
      })
      const { uuid } = await ask(buildRequest('create', 'POST', '/productions.json', body), Production, 1, call)
      return { id: uuid }
    },

    async find(jobKey, call) {
      const sent = buildRequest('list', 'GET', `/productions.json?limit=${LIST_LIMIT}`)
      const productions = await ask(sent, z.array(Production), 3, call)
      const found = productions.find(({ output_basename: basename }) => basename === jobKey)
      return found && { id: found.uuid }
    },

    async read(id, call) {
      const sent = buildRequest('read', 'GET', `${pathOf(id)}.json`)
      return stateOf(sent, await ask(sent, Production, 3, call))
    },

    async start(id, { recording, intro }, call) {
      if (!config.canReachStorage) {
        await upload(id, { field: 'input_file', fileName: 'recording', source: recording }, call)
        if (intro) await upload(id, { field: 'intro', fileName: 'intro.mp3', source: intro }, call)
      }
      await ask(buildRequest('start', 'POST', `${pathOf(id)}/start.json`), z.unknown(), 1, call)
    },

    /** The link answers with a redirect to storage, which must not see our key. */
    async download(result, call) {
      const attempt = async (signal: AbortSignal) => {
        const asked = { ...buildRequest('download', 'GET', ''), url: result }
        const answer = await send({ ...asked, redirect: 'manual' }, call, signal)
        const location = answer.headers.get('location')
        if (answer.status < 300 || location === null) return answer
        await answer.body?.cancel()
        return send({ ...asked, url: new URL(location, result).href, headers: {} }, call, signal)
      }
      const limits = { attemptTimeoutMs: TRANSFER_TIMEOUT_MS, attemptsMax: 3 }
      const { body } = await callProvider({ guard, operation: 'download', ...limits, attempt }, call)
      return Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
    },

    async stop(id, call) {
      await ignoreRefusal(ask(buildRequest('stop', 'POST', `${pathOf(id)}/stop.json`), z.unknown(), 2, call))
    },

    async remove(id, call) {
      await ignoreRefusal(ask(buildRequest('remove', 'DELETE', `${pathOf(id)}.json`), z.unknown(), 2, call))
    },
  }

  /** Sends audio as bytes, as the main recording or as the intro. */
  async function upload(
    id: string,
    { field, fileName, source }: { field: 'input_file' | 'intro'; fileName: string; source: AudioSource },
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
    const limits = { attemptTimeoutMs: CONTROL_TIMEOUT_MS, attemptsMax }
    return callProvider({ guard, operation: sent.operation, ...limits, attempt }, call)
  }
}

function requestBuilder(account: Account) {
  return requestsOf(account, { Authorization: `Bearer ${account.config.apiKey}` })
}

function pathOf(id: string): string {
  return `/production/${encodeURIComponent(id)}`
}

/** Sends a request and opens its envelope, which can say no inside an HTTP 200: both must be looked at. */
async function sendForData<T>(
  request: ProviderRequest,
  schema: z.ZodType<T>,
  call: CallContext,
  signal: AbortSignal,
): Promise<T> {
  const envelope = await sendForJson(request, Envelope, ANSWER_BYTES_MAX, call, signal)
  if (envelope.status_code !== 200)
    throw new ProviderError(request.provider, request.operation, {
      status: envelope.status_code,
      kind: kindOfStatus(envelope.status_code),
      ...request.explain?.(envelope.status_code, JSON.stringify(envelope)),
      message: envelope.error_message ?? 'refused without words',
    })
  const parsed = schema.safeParse(envelope.data)
  if (parsed.success) return parsed.data
  throw badResponse(request, `the answer lacks ${parsed.error.issues[0]?.path.join('.') ?? 'its data'}`)
}

function stateOf(request: ProviderRequest, production: Production): MasteringState {
  if (production.status === FAILED) {
    const message = production.error_message ?? 'no reason given'
    return { state: 'failed', reason: classifyFailure(message), message }
  }
  if (NOT_STARTED.has(production.status)) return { state: 'new' }
  if (production.status !== DONE) return { state: 'working', doing: production.status_string ?? 'at work' }
  const url = production.output_files?.find(({ format }) => format === 'mp3')?.download_url
  if (url == null || production.length == null) throw badResponse(request, 'a finished production without its file')
  const creditHours = production.used_credits?.combined ?? undefined
  return {
    state: 'done',
    result: url,
    durationSeconds: production.length,
    // `creditHours`: what the provider says it charged.
    cost: { productions: 1, audioSeconds: production.length, ...(creditHours !== undefined && { creditHours }) },
  }
}
