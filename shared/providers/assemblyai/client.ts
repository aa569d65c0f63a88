import { Readable } from 'node:stream'
import * as z from 'zod'

import type { HeardWord, Transcriber, TranscriptRequest, TranscriptState } from '../../podcast/ports.ts'
import type { CallContext } from '../../resilience/call-context.ts'
import { callProvider } from '../call-provider.ts'
import type { Account, GuardedAccount } from '../definition.ts'
import { askForHealth, ignoreRefusal, requestsOf, sendForJson } from '../http.ts'
import { callsBack, placeToken } from '../webhook.ts'
import { classifyFailure } from './failures.ts'

/** Newest first, then the one that takes most languages: the provider's default has changed under its users. */
const SPEECH_MODELS = ['assemblyai-stt-3-7', 'universal-2']
const CONTROL_TIMEOUT_MS = 15_000
const UPLOAD_TIMEOUT_MS = 300_000
const TRANSCRIPT_BYTES_MAX = 64 * 1024 * 1024
const LIST_LIMIT = 200
/** Names the job inside the URL that the provider fetches, so that it can be found again in the provider's own list. */
const JOB_PARAMETER = 'job'

const Submitted = z.object({ id: z.string().min(1) })
const Uploaded = z.object({ upload_url: z.url() })
const Listed = z.object({ transcripts: z.array(z.object({ id: z.string(), audio_url: z.string().nullish() })) })
const Word = z.object({ text: z.string(), start: z.number(), end: z.number(), speaker: z.string().nullish() })
const Job = z.discriminatedUnion('status', [
  z.object({ status: z.literal('queued') }),
  z.object({ status: z.literal('processing') }),
  z.object({ status: z.literal('error'), error: z.string() }),
  z.object({
    status: z.literal('completed'),
    text: z.string().nullable(),
    audio_duration: z.number().positive(),
    language_code: z.string().nullish(),
    words: z.array(Word).nullable(),
  }),
])

/** Whether the service answers and takes our key; its balance cannot be asked for. */
export async function checkAccount(account: Account, signal: AbortSignal): Promise<undefined> {
  await askForHealth(requestBuilder(account)('check', 'GET', '/v2/transcript?limit=1'), Listed, signal)
}

export function makeTranscriber(account: GuardedAccount): Transcriber {
  const { guard, config, name } = account
  const buildRequest = requestBuilder(account)
  const control = { guard, attemptTimeoutMs: CONTROL_TIMEOUT_MS }

  return {
    name,
    kind: 'job',
    callsBack: callsBack(account),

    async submit(request, call) {
      const audioUrl = config.canReachStorage
        ? await request.recording.link({ [JOB_PARAMETER]: request.jobKey })
        : (request.uploadedTo ?? (await upload(request, call)))
      const webhook = placeToken(account, request.webhook)
      const body = JSON.stringify({
        audio_url: audioUrl,
        language_code: request.language.toLowerCase().replace('-', '_'),
        speech_models: SPEECH_MODELS,
        punctuate: true,
        format_text: true,
        ...(webhook && {
          webhook_url: webhook.url,
          webhook_auth_header_name: webhook.header?.name,
          webhook_auth_header_value: webhook.header?.value,
        }),
      })
      const attempt = (signal: AbortSignal) =>
        sendForJson(buildRequest('submit', 'POST', '/v2/transcript', body), Submitted, 1_048_576, call, signal)
      return callProvider({ ...control, operation: 'submit', attemptsMax: 1, attempt }, call)
    },

    async find({ key, uploadedTo }, call) {
      const attempt = (signal: AbortSignal) =>
        sendForJson(buildRequest('list', 'GET', `/v2/transcript?limit=${LIST_LIMIT}`), Listed, 4_194_304, call, signal)
      const { transcripts } = await callProvider({ ...control, operation: 'list', attemptsMax: 3, attempt }, call)
      return transcripts.find(({ audio_url: url }) => url != null && (url === uploadedTo || namesJob(url, key)))
    },

    async read(id, call) {
      const attempt = (signal: AbortSignal) =>
        sendForJson(buildRequest('read', 'GET', pathOf(id)), Job, TRANSCRIPT_BYTES_MAX, call, signal)
      return stateOf(await callProvider({ ...control, operation: 'read', attemptsMax: 3, attempt }, call))
    },

    async remove(id, call) {
      const attempt = (signal: AbortSignal) =>
        sendForJson(buildRequest('remove', 'DELETE', pathOf(id)), z.unknown(), TRANSCRIPT_BYTES_MAX, call, signal)
      await ignoreRefusal(callProvider({ ...control, operation: 'remove', attemptsMax: 2, attempt }, call))
    },
  }

  /** Sends the recording itself; only the provider can read what is at the URL. Remembered before it is used. */
  async function upload({ recording, rememberUpload }: TranscriptRequest, call: CallContext): Promise<string> {
    const audio = await recording.bytes()
    const attempt = async (signal: AbortSignal) => {
      const sent = buildRequest('upload', 'POST', '/v2/upload', Readable.toWeb(audio))
      sent.headers['Content-Type'] = 'application/octet-stream'
      return (await sendForJson(sent, Uploaded, 65_536, call, signal)).upload_url
    }
    const limits = { attemptTimeoutMs: UPLOAD_TIMEOUT_MS, attemptsMax: 1 }
    const uploadedTo = await callProvider({ guard, operation: 'upload', ...limits, attempt }, call)
    await rememberUpload(uploadedTo)
    return uploadedTo
  }
}

function requestBuilder(account: Account) {
  return requestsOf(account, { Authorization: account.config.apiKey })
}

function pathOf(id: string): string {
  return `/v2/transcript/${encodeURIComponent(id)}`
}

function namesJob(url: string, key: string): boolean {
  return URL.canParse(url) && new URL(url).searchParams.get(JOB_PARAMETER) === key
}

function stateOf(job: z.infer<typeof Job>): TranscriptState {
  if (job.status === 'queued' || job.status === 'processing') return { state: 'working' }
  if (job.status === 'error') return { state: 'failed', reason: classifyFailure(job.error), message: job.error }
  const words = (job.words ?? []).map(wordOf)
  return {
    state: 'done',
    language: job.language_code ?? undefined,
    durationSeconds: job.audio_duration,
    text: job.text ?? words.map(({ text }) => text).join(' '),
    words,
    cost: { jobs: 1, audioSeconds: job.audio_duration },
  }
}

function wordOf({ text, start, end, speaker }: z.infer<typeof Word>): HeardWord {
  const times = { startMs: Math.round(start), endMs: Math.round(Math.max(start, end)) }
  return { text, ...times, ...(speaker != null && { speaker }) }
}
