import { randomUUID } from 'node:crypto'

import * as z from 'zod'

import { cues, toSrt, toVtt } from '../../../../shared/podcast/words/transcript.ts'
import type { Word } from '../../../../shared/podcast/words/transcript.ts'
import { durationSeconds } from '../../audio/mastering.ts'
import { HttpService, ReplyError } from '../../http-service.ts'
import type { LocalRequest, Reply, Route } from '../../http-service.ts'
import { transcribeAudio } from './speech.ts'
import type { SpokenWord } from './speech.ts'
import { episodeIn, fetchAudio, STAND_IN_NOTICE, wait } from '../stand-in.ts'
import type { StandIn, StandInOptions, WorkLog } from '../stand-in.ts'
import { deliverWebhook } from '../webhook.ts'

const Submit = z.looseObject({
  audio_url: z.string(),
  language_code: z.string().nullish(),
  speech_models: z.array(z.string()).nonempty().optional(),
  webhook_url: z.url().nullish(),
  webhook_auth_header_name: z.string().nullish(),
  webhook_auth_header_value: z.string().nullish(),
})
type Job = {
  id: string
  status: 'queued' | 'processing' | 'completed' | 'error'
  request: z.infer<typeof Submit>
  created: string
  completed?: string
  throttled: boolean
  words?: SpokenWord[]
  durationSeconds?: number
  error?: string
  webhookStatus?: number
}

const MODELS = new Set(['assemblyai-stt-3-7', 'universal-3-5-pro', 'universal-2', 'slam-1'])
/** Jobs that run at once on a free account; more are queued, first in first out. */
const CONCURRENCY = 5
/** The middle of what the provider takes: 5 to 10 s, and about 1 % of the audio. */
const LATENCY_MS = { queued: 300, base: 7000, shareOfAudio: 0.01 }
const WEBHOOK_TRIES = { max: 10, spacingMs: 10_000 }
const DURATION_SECONDS = { min: 0.16, max: 36_000 }

/** AssemblyAI's pre-recorded API: upload, jobs with a life of their own, captions, webhooks. */
export const assemblyai: StandIn = {
  basePath: '',
  makeServers: (options, work) => ({ api: makeApi(options, work), behind: [] }),
}

function makeApi(options: StandInOptions, work: WorkLog): HttpService {
  const jobs = new Map<string, Job>()
  const uploads = new Map<string, Buffer>()
  let running = 0
  const waiting: (() => void)[] = []

  const runJob = async (job: Job): Promise<void> => {
    const startedAtMs = Date.now()
    await wait(LATENCY_MS.queued * options.pace.factor)
    if (running >= CONCURRENCY) {
      job.throttled = true
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
    running++
    job.status = 'processing'
    await transcribe(job, uploads.get(job.request.audio_url), options.pace.factor)
    running--
    waiting.shift()?.()
    work.record('assemblyai', episodeIn(job.request.audio_url), startedAtMs)
    await notify(job, options)
  }

  const routes: Route[] = [
    {
      method: 'POST',
      path: /^\/v2\/upload$/,
      handle: async (request) => {
        requireKey(request, options.apiKey)
        const url = `https://cdn.assemblyai.com/upload/${randomUUID()}`
        uploads.set(url, await request.bytes())
        return { status: 200, json: { upload_url: url } }
      },
    },
    {
      method: 'POST',
      path: /^\/v2\/transcript$/,
      handle: async (request) => {
        requireKey(request, options.apiKey)
        const parsed = Submit.safeParse(await request.json())
        if (!parsed.success) return refuse(400, `Invalid request: ${parsed.error.issues[0]?.path.join('.')}`)
        const unknown = parsed.data.speech_models?.find((model) => !MODELS.has(model))
        if (unknown !== undefined) return refuse(400, `"speech_models" contains an unknown model: ${unknown}`)
        if (!URL.canParse(parsed.data.audio_url)) return refuse(400, 'audio_url must be a URL')
        request.concerns(episodeIn(parsed.data.audio_url) ?? '')
        const job: Job = {
          id: randomUUID(),
          status: 'queued',
          request: parsed.data,
          created: new Date().toISOString(),
          throttled: false,
        }
        jobs.set(job.id, job)
        if (request.fault?.mode === 'blocked')
          Object.assign(job, { status: 'error', error: 'The content was declined.' })
        else void runJob(job)
        return { status: 200, json: transcriptOf(job) }
      },
    },
    {
      method: 'GET',
      path: /^\/v2\/transcript$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const { searchParams } = request.url
        const status = searchParams.get('status')
        const limit = Math.min(200, Number(searchParams.get('limit') ?? 10))
        const newest = [...jobs.values()].toReversed().filter((job) => status === null || job.status === status)
        const transcripts = newest.slice(0, limit).map((job) => ({
          id: job.id,
          resource_url: `${request.url.origin}/v2/transcript/${job.id}`,
          status: job.status,
          created: job.created,
          completed: job.completed ?? null,
          audio_url: job.request.audio_url,
          error: job.error ?? null,
        }))
        const page = {
          limit,
          result_count: transcripts.length,
          current_url: request.url.href,
          prev_url: null,
          next_url: null,
        }
        return { status: 200, json: { page_details: page, transcripts } }
      },
    },
    {
      method: 'GET',
      path: /^\/v2\/transcript\/([\w-]+)(?:\/(srt|vtt|sentences|paragraphs))?$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const [id = '', view = ''] = request.params
        const job = jobs.get(id)
        if (job === undefined) return refuse(404, 'Transcript not found')
        if (view === '') return { status: 200, json: transcriptOf(job) }
        if (job.status !== 'completed') return refuse(400, 'This transcript has a status other than completed')
        return viewOf(job, view)
      },
    },
    {
      method: 'DELETE',
      path: /^\/v2\/transcript\/([\w-]+)$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const job = jobs.get(request.params[0] ?? '')
        if (job === undefined) return refuse(404, 'Transcript not found')
        job.words = []
        job.request = { ...job.request, audio_url: 'http://deleted_by_user' }
        return { status: 200, json: { ...transcriptOf(job), text: 'Deleted by user.' } }
      },
    },
  ]
  return new HttpService({
    ...options,
    target: 'assemblyai',
    routes,
    refuse: (status, headers) => ({ ...refuse(status, wordsFor(status)), headers }),
  })
}

async function transcribe(job: Job, uploaded: Buffer | undefined, latencyFactor: number): Promise<void> {
  const startedAtMs = Date.now()
  const audio = uploaded ?? (await fetchAudio(job.request.audio_url))
  const seconds = audio && (await durationSeconds(audio).catch(() => undefined))
  if (audio === undefined)
    fail(job, 'Download error, unable to download the audio file. Please check that the URL is accessible.')
  else if (seconds === undefined) fail(job, 'Transcoding failed. File does not appear to contain audio.')
  else if (seconds < DURATION_SECONDS.min) fail(job, 'Audio duration is too short.')
  else if (seconds > DURATION_SECONDS.max) fail(job, 'Audio duration is too long.')
  else {
    const latencyMs = (LATENCY_MS.base + seconds * 1000 * LATENCY_MS.shareOfAudio) * latencyFactor
    await wait(latencyMs - (Date.now() - startedAtMs))
    Object.assign(job, { status: 'completed', words: transcribeAudio(audio, seconds), durationSeconds: seconds })
  }
  job.completed = new Date().toISOString()
}

function fail(job: Job, error: string): void {
  Object.assign(job, { status: 'error', error })
}

async function notify(job: Job, { faults, pace }: StandInOptions): Promise<void> {
  const { webhook_url: url, webhook_auth_header_name: name, webhook_auth_header_value: value } = job.request
  if (url == null) return
  const headers = { 'Content-Type': 'application/json', ...(name != null && value != null && { [name]: value }) }
  const body = JSON.stringify({ transcript_id: job.id, status: job.status })
  const tries = { attemptsMax: WEBHOOK_TRIES.max, spacingMs: WEBHOOK_TRIES.spacingMs * pace.factor }
  const status = await deliverWebhook('assemblyai', faults, { url, headers, body }, tries)
  if (status !== undefined) job.webhookStatus = status
}

function transcriptOf(job: Job): Record<string, unknown> {
  const text = job.words?.map((word) => word.text).join(' ')
  return {
    id: job.id,
    status: job.status,
    audio_url: job.request.audio_url,
    language_code: job.request.language_code ?? 'en_us',
    speech_models: job.request.speech_models ?? null,
    speech_model_used: job.status === 'completed' ? (job.request.speech_models?.[0] ?? 'universal-2') : null,
    text: text ?? null,
    words: job.words ?? null,
    utterances: null,
    confidence: job.words ? 0.97 : null,
    audio_duration: job.durationSeconds ?? null,
    punctuate: true,
    format_text: true,
    throttled: job.throttled,
    webhook_url: job.request.webhook_url ?? null,
    webhook_status_code: job.webhookStatus ?? null,
    webhook_auth: job.request.webhook_auth_header_name != null,
    webhook_auth_header_name: job.request.webhook_auth_header_name ?? null,
    stand_in: STAND_IN_NOTICE,
    ...(job.error !== undefined && { error: job.error }),
  }
}

function viewOf(job: Job, view: string): Reply {
  const words: Word[] = (job.words ?? []).map(({ text, start, end }) => ({ text, startMs: start, endMs: end }))
  if (view === 'srt') return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: toSrt(words) }
  if (view === 'vtt') return { status: 200, headers: { 'Content-Type': 'text/vtt' }, body: toVtt(words) }
  const segments = cues(words).map(({ startMs, endMs, text }) => ({
    text,
    start: startMs,
    end: endMs,
    confidence: 0.97,
    words: [],
  }))
  const id = { id: job.id, confidence: 0.97, audio_duration: job.durationSeconds }
  return { status: 200, json: { ...id, [view]: segments } }
}

/** The raw key: `Bearer` is refused, as by the real service. */
function requireKey(request: LocalRequest, apiKey: string): void {
  if (request.headers.authorization !== apiKey) throw new ReplyError(refuse(401, wordsFor(401)))
}

function refuse(status: number, error: string): Reply {
  return status === 503 || status === 504 ? { status } : { status, json: { error } }
}

function wordsFor(status: number): string {
  if (status === 401) return 'Authentication error, API token missing/invalid'
  if (status === 402) return 'Your account balance is negative. Please top up to continue.'
  if (status === 429) return 'Too many requests, please slow down'
  return status >= 500 ? 'Server error, developers have been alerted.' : 'Not found'
}
