import { randomUUID } from 'node:crypto'

import { cues, sentencesOf, toSrt, toVtt } from '../../../../shared/podcast/words/transcript.ts'
import type { Word } from '../../../../shared/podcast/words/transcript.ts'
import { STAND_IN_NOTICE } from '../stand-in.ts'
import type { SpokenWord } from '../../audio/heard-words.ts'
import type { Submission } from './submission.ts'

export type Job = {
  id: string
  status: 'queued' | 'processing' | 'completed' | 'error'
  request: Submission
  created: string
  completed?: string
  throttled: boolean
  words?: SpokenWord[]
  /** In whole seconds, as the API has it: a clip of less than half a second has 0. */
  durationSeconds?: number
  error?: string
  webhookStatus?: number
  deleted?: boolean
}

/** What is heard in every recording here. */
const HEARD_LANGUAGE = 'en'
const CONFIDENCE = 0.97

export function makeJob(request: Submission): Job {
  return { id: randomUUID(), status: 'queued', request, created: timestamp(), throttled: false }
}

/** As AssemblyAI writes a time: UTC, in microseconds, without saying so. */
export function timestamp(): string {
  return new Date().toISOString().replace('Z', '000')
}

/** `Transcript` of the SDK. */
export function transcriptOf(job: Job) {
  const { request, words } = job
  const detects = request.language_detection === true
  const completed = job.status === 'completed'
  return {
    id: job.id,
    status: job.status,
    audio_url: job.deleted ? 'http://deleted_by_user' : request.audio_url,
    language_code: detects ? HEARD_LANGUAGE : (request.language_code ?? 'en_us'),
    language_detection: detects,
    language_confidence: detects && completed ? CONFIDENCE : null,
    language_confidence_threshold: request.language_confidence_threshold ?? null,
    language_codes: detects && completed ? [HEARD_LANGUAGE] : null,
    language_model: 'assemblyai_default',
    acoustic_model: 'assemblyai_default',
    speech_model: null,
    speech_models: request.speech_models ?? null,
    speech_model_used: completed ? (request.speech_models?.[0] ?? 'assemblyai-stt-3-7') : null,
    text: job.deleted ? 'Deleted by user.' : (words?.map(({ text }) => text).join(' ') ?? null),
    words: job.deleted ? null : (words ?? null),
    utterances: words !== undefined && request.speaker_labels === true && !job.deleted ? utterancesOf(words) : null,
    speaker_labels: request.speaker_labels ?? false,
    speakers_expected: request.speakers_expected ?? null,
    confidence: words === undefined ? null : CONFIDENCE,
    audio_duration: job.durationSeconds ?? null,
    punctuate: request.punctuate ?? true,
    format_text: request.format_text ?? true,
    auto_highlights: false,
    redact_pii: false,
    summarization: false,
    throttled: job.throttled,
    webhook_url: request.webhook_url ?? null,
    webhook_status_code: job.webhookStatus ?? null,
    webhook_auth: request.webhook_auth_header_name != null,
    webhook_auth_header_name: request.webhook_auth_header_name ?? null,
    metadata: null,
    stand_in: STAND_IN_NOTICE,
    ...(job.error !== undefined && { error: job.error }),
  }
}

/** `TranscriptListItem` of the SDK. */
export function listItemOf(job: Job, origin: string) {
  return {
    id: job.id,
    resource_url: `${origin}/v2/transcript/${job.id}`,
    status: job.status,
    created: job.created,
    completed: job.completed ?? null,
    audio_url: job.deleted ? 'http://deleted_by_user' : job.request.audio_url,
    error: job.error ?? null,
  }
}

/** Turns of one speaker after the other. */
function utterancesOf(words: readonly SpokenWord[]) {
  const turns: SpokenWord[][] = []
  for (const word of words) {
    const open = turns.at(-1)
    if (open?.[0]?.speaker === word.speaker) open.push(word)
    else turns.push([word])
  }
  return turns.map((turn) => ({ ...segmentOf(turn), speaker: turn[0]?.speaker ?? 'A' }))
}

/** `SentencesResponse` of the SDK. */
export function sentencesResponse(job: Job) {
  return { ...headOf(job), sentences: group(job, cues(ours(job))) }
}

/** `ParagraphsResponse` of the SDK. */
export function paragraphsResponse(job: Job) {
  const paragraphs = group(job, sentencesOf(ours(job))).map(({ speaker: _speaker, ...paragraph }) => paragraph)
  return { ...headOf(job), paragraphs }
}

/** `WordSearchResponse` of the SDK. @param sought words, as the query has them */
export function wordSearchResponse(job: Job, sought: readonly string[]) {
  const bare = (text: string) => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '')
  const matches = sought.map((text) => {
    const indexes = (job.words ?? []).flatMap((word, index) => (bare(word.text) === bare(text) ? [index] : []))
    const timestamps = indexes.map((index) => [job.words?.[index]?.start ?? 0, job.words?.[index]?.end ?? 0])
    return { text, count: indexes.length, timestamps, indexes }
  })
  const found = matches.filter(({ count }) => count > 0)
  return { id: job.id, total_count: found.reduce((sum, { count }) => sum + count, 0), matches: found }
}

export function captionsOf(job: Job, format: 'srt' | 'vtt'): string {
  return format === 'srt' ? toSrt(ours(job)) : toVtt(ours(job))
}

function headOf(job: Job) {
  return { id: job.id, confidence: CONFIDENCE, audio_duration: job.durationSeconds ?? 0 }
}

function ours(job: Job): Word[] {
  return (job.words ?? []).map(({ text, start, end }) => ({ text, startMs: start, endMs: end }))
}

function group(job: Job, spans: readonly { startMs: number; endMs: number }[]) {
  return spans.map(({ startMs, endMs }) => {
    const words = (job.words ?? []).filter(({ start, end }) => start >= startMs && end <= endMs)
    return { ...segmentOf(words), speaker: words[0]?.speaker ?? null }
  })
}

function segmentOf(words: readonly SpokenWord[]) {
  return {
    text: words.map(({ text }) => text).join(' '),
    start: words[0]?.start ?? 0,
    end: words.at(-1)?.end ?? 0,
    confidence: CONFIDENCE,
    words: [...words],
  }
}
