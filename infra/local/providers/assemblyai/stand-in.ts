import { randomUUID } from 'node:crypto'

import { durationSeconds } from '../../audio/mastering.ts'
import { HttpService, ReplyError } from '../../http-service.ts'
import type { LocalRequest, Reply, Route } from '../../http-service.ts'
import { AS_IT_IS, Jobs } from '../jobs.ts'
import { episodeIn, fetchAudio, STAND_IN_NOTICE, wait } from '../stand-in.ts'
import type { StandIn, StandInOptions, WorkLog } from '../stand-in.ts'
import { deliverWebhook } from '../webhook.ts'
import {
  captionsOf,
  makeJob,
  paragraphsResponse,
  sentencesResponse,
  timestamp,
  transcriptOf,
  wordSearchResponse,
} from './job.ts'
import type { Job } from './job.ts'
import { pageOf } from './list.ts'
import { transcribeAudio } from '../../audio/heard-words.ts'
import { readSubmission } from './submission.ts'

/** Jobs that run at once on a free account; more are queued, first in first out. */
const CONCURRENCY = 5
/** The middle of what the provider takes: 5 to 10 s, and about 1 % of the audio. */
const LATENCY_MS = { queued: 300, base: 7000, shareOfAudio: 0.01 }
const WEBHOOK_TRIES = { max: 10, spacingMs: 10_000 }
const DURATION_SECONDS = { min: 0.16, max: 36_000 }
const UPLOAD_FAILED = 'Upload failed, please try again. If you continue to have issues please reach out to support'
/** What a recording that is refused for its content is told with. */
const BLOCKED = 'No speech was found'

/** AssemblyAI's pre-recorded API: upload, jobs with a life of their own, captions, webhooks. */
export const assemblyai: StandIn = {
  basePath: '',
  makeServers,
}

function makeServers(options: StandInOptions, work: WorkLog): ReturnType<StandIn['makeServers']> {
  const jobs = new Jobs<Job, Job>(options.kept?.('assemblyai-jobs'), AS_IT_IS)
  const uploads = new Jobs<Buffer, Buffer>(options.kept?.('assemblyai-uploads'), AS_IT_IS)
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
    jobs.change(job.id)
    running--
    waiting.shift()?.()
    const { words, durationSeconds: audioSeconds = 0 } = job
    const charged = words === undefined ? {} : { jobs: 1, audioSeconds }
    work.record('assemblyai', episodeIn(job.request.audio_url), startedAtMs, charged)
    await notify(job, options)
    jobs.change(job.id)
  }
  const resume = () => {
    for (const job of jobs.all()) if (job.status === 'queued' || job.status === 'processing') void runJob(job)
  }

  const routes: Route[] = [
    {
      method: 'POST',
      path: /^\/v2\/upload$/,
      handle: async (request) => {
        requireKey(request, options.apiKey)
        const bytes = await request.bytes()
        if (bytes.length === 0) return refuse(400, UPLOAD_FAILED)
        const url = `https://cdn.assemblyai.com/upload/${randomUUID()}`
        uploads.put(url, bytes)
        return { status: 200, json: { upload_url: url } }
      },
    },
    {
      method: 'POST',
      path: /^\/v2\/transcript$/,
      handle: async (request) => {
        requireKey(request, options.apiKey)
        const submission = readSubmission(await request.json())
        if (typeof submission === 'string') return refuse(400, submission)
        request.concerns(episodeIn(submission.audio_url) ?? '')
        const job = makeJob(submission)
        const isBlocked = request.fault?.mode === 'blocked'
        if (isBlocked) fail(job, BLOCKED)
        jobs.put(job.id, job)
        if (!isBlocked) void runJob(job)
        return { status: 200, json: transcriptOf(job) }
      },
    },
    {
      method: 'GET',
      path: /^\/v2\/transcript$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const page = pageOf(jobs.all(), request.url)
        return page === undefined ? refuse(400, 'Invalid query parameters') : { status: 200, json: page }
      },
    },
    {
      method: 'GET',
      path: /^\/v2\/transcript\/([\w-]+)(?:\/(srt|vtt|sentences|paragraphs|word-search))?$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const [id = '', view = ''] = request.params
        const job = jobs.get(id)
        if (job === undefined) return refuse(404, 'Transcript not found')
        if (view === '') return { status: 200, json: transcriptOf(job) }
        if (job.status !== 'completed') return refuse(400, 'This transcript has a status other than completed')
        return viewOf(job, view, request.url.searchParams)
      },
    },
    {
      method: 'DELETE',
      path: /^\/v2\/transcript\/([\w-]+)$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const job = jobs.get(request.params[0] ?? '')
        if (job === undefined) return refuse(404, 'Transcript not found')
        job.deleted = true
        jobs.change(job.id)
        return { status: 200, json: transcriptOf(job) }
      },
    },
    ...['GET', 'POST', 'DELETE'].map((method) => ({
      method,
      path: /^\/.+$/,
      handle: ({ url }: LocalRequest) =>
        refuse(404, `Not found: ${method} ${url.pathname} is not to be had here, ${STAND_IN_NOTICE}`),
    })),
  ]
  const api = new HttpService({
    ...options,
    target: 'assemblyai',
    routes,
    refuse: (status, headers) => ({ ...refuse(status, wordsFor(status)), headers }),
    onStop() {
      jobs.close()
      uploads.close()
    },
  })
  return { api, behind: [], resume }
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
    const words = transcribeAudio(audio, seconds, job.request.speaker_labels === true)
    Object.assign(job, { status: 'completed', words, durationSeconds: Math.round(seconds) })
  }
  job.completed = timestamp()
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

function viewOf(job: Job, view: string, query: URLSearchParams): Reply {
  if (view === 'srt' || view === 'vtt') {
    const type = view === 'srt' ? 'text/plain' : 'text/vtt'
    return { status: 200, headers: { 'Content-Type': type }, body: captionsOf(job, view) }
  }
  if (view === 'sentences') return { status: 200, json: sentencesResponse(job) }
  if (view === 'paragraphs') return { status: 200, json: paragraphsResponse(job) }
  const words = query.get('words')
  if (words === null || words === '') return refuse(400, 'words is required')
  return { status: 200, json: wordSearchResponse(job, words.split(',')) }
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
