import { Readable } from 'node:stream'
import * as z from 'zod'

import type { ProviderConfig } from '../config.ts'
import { guardedCall } from './guarded-call.ts'
import type { CallContext, Guard } from './guarded-call.ts'
import { askForHealth, jsonOf, requestsOf, sendForJson, unlessRefused } from './http.ts'
import type { ProviderErrorFields } from './provider-error.ts'

/** Newest first, then the one that takes most languages: the provider's default has changed under its users. */
const SPEECH_MODELS = ['assemblyai-stt-3-7', 'universal-2']
const CONTROL_TIMEOUT_MS = 15_000
const UPLOAD_TIMEOUT_MS = 300_000
const TRANSCRIPT_BYTES_MAX = 64 * 1024 * 1024
const LIST_LIMIT = 200

const Submitted = z.object({ id: z.string().min(1) })
const Uploaded = z.object({ upload_url: z.url() })
const Listed = z.object({ transcripts: z.array(z.object({ id: z.string(), audio_url: z.string().nullish() })) })
const ErrorBody = z.object({ error: z.string() })
const TranscriptJob = z.discriminatedUnion('status', [
  z.object({ status: z.literal('queued') }),
  z.object({ status: z.literal('processing') }),
  z.object({ status: z.literal('error'), error: z.string() }),
  z.object({
    status: z.literal('completed'),
    text: z.string().nullable(),
    audio_duration: z.number().positive(),
    language_code: z.string().nullish(),
    words: z
      .array(z.object({ text: z.string(), start: z.number(), end: z.number(), speaker: z.string().nullish() }))
      .nullable(),
  }),
])
export type TranscriptJob = z.infer<typeof TranscriptJob>

export type AssemblyAi = ReturnType<typeof assemblyAi>

/** Pre-recorded transcription: https://www.assemblyai.com/docs/api-reference */
export function assemblyAi({ apiKey, baseUrl }: ProviderConfig, guard: Guard) {
  const request = requestsOf('assemblyai', baseUrl, { Authorization: apiKey }, explain)
  const control = { guard, attemptTimeoutMs: CONTROL_TIMEOUT_MS }

  return {
    /** Whether the service answers and takes our key; its balance cannot be asked for. */
    async check(signal: AbortSignal): Promise<undefined> {
      await askForHealth(request('check', 'GET', '/v2/transcript?limit=1'), Listed, signal)
    },

    /** Sends the audio itself, for where the provider cannot fetch it; the URL can only be read by the provider. */
    async upload(audio: Readable, context: CallContext): Promise<string> {
      const attempt = async (signal: AbortSignal) => {
        const sent = request('upload', 'POST', '/v2/upload', Readable.toWeb(audio))
        sent.headers['Content-Type'] = 'application/octet-stream'
        return (await sendForJson(sent, Uploaded, 65_536, context, signal)).upload_url
      }
      const limits = { attemptTimeoutMs: UPLOAD_TIMEOUT_MS, attemptsMax: 1 }
      return guardedCall({ guard, operation: 'upload', ...limits, attempt }, context)
    },

    /** Creates the job: sent once, because it is charged. */
    async submit(
      job: { audioUrl: string; language: string; webhook?: { url: string; header: string; secret: string } },
      context: CallContext,
    ): Promise<{ id: string }> {
      const body = JSON.stringify({
        audio_url: job.audioUrl,
        language_code: job.language.toLowerCase().replace('-', '_'),
        speech_models: SPEECH_MODELS,
        punctuate: true,
        format_text: true,
        ...(job.webhook && {
          webhook_url: job.webhook.url,
          webhook_auth_header_name: job.webhook.header,
          webhook_auth_header_value: job.webhook.secret,
        }),
      })
      const attempt = (signal: AbortSignal) =>
        sendForJson(request('submit', 'POST', '/v2/transcript', body), Submitted, 1_048_576, context, signal)
      return guardedCall({ ...control, operation: 'submit', attemptsMax: 1, attempt }, context)
    },

    /** The newest job whose audio URL `matches`: how a job is found whose id was never recorded. */
    async find(matches: (audioUrl: string) => boolean, context: CallContext): Promise<{ id: string } | undefined> {
      const attempt = (signal: AbortSignal) =>
        sendForJson(request('list', 'GET', `/v2/transcript?limit=${LIST_LIMIT}`), Listed, 4_194_304, context, signal)
      const { transcripts } = await guardedCall({ ...control, operation: 'list', attemptsMax: 3, attempt }, context)
      return transcripts.find(({ audio_url: url }) => url != null && matches(url))
    },

    /** Has the provider forget the texts and links of a job; one that is not there is no fault. */
    async remove(id: string, context: CallContext): Promise<void> {
      const path = `/v2/transcript/${encodeURIComponent(id)}`
      const attempt = (signal: AbortSignal) =>
        sendForJson(request('remove', 'DELETE', path), z.unknown(), TRANSCRIPT_BYTES_MAX, context, signal)
      await unlessRefused(guardedCall({ ...control, operation: 'remove', attemptsMax: 2, attempt }, context))
    },

    async read(id: string, context: CallContext): Promise<TranscriptJob> {
      const path = `/v2/transcript/${encodeURIComponent(id)}`
      const attempt = (signal: AbortSignal) =>
        sendForJson(request('read', 'GET', path), TranscriptJob, TRANSCRIPT_BYTES_MAX, context, signal)
      return guardedCall({ ...control, operation: 'read', attemptsMax: 3, attempt }, context)
    },
  }
}

function explain(status: number, body: string): Partial<ProviderErrorFields> {
  const message = jsonOf(ErrorBody, body)?.error
  if (message === undefined) return {}
  return { message, ...(status === 400 && /balance/i.test(message) && { kind: 'billing' as const }) }
}
