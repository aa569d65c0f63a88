import * as z from 'zod'

import type { HeardWord, TranscriptState } from '../../podcast/ports.ts'
import type { ReadAnswer } from '../heard-answer.ts'
import { whatIsWrong } from '../parse-json.ts'
import { providerWords } from '../strings.ts'
import { classifyFailure } from './failures.ts'
import { tagOf } from './languages.ts'

const Word = z.object({ text: z.string(), start: z.number(), end: z.number(), speaker: z.string().nullish() })

/** What stands for the recording of a job that somebody has deleted, whose text is then a notice. */
const DELETED_URL = 'http://deleted_by_user'

/** A job as `GET /v2/transcript/{id}` answers it: what is used of it, and no more is asked of it than can be used. */
const Job = z.discriminatedUnion('status', [
  z.object({ status: z.literal('queued') }),
  z.object({ status: z.literal('processing') }),
  z.object({ status: z.literal('error'), error: providerWords.nullish() }),
  z.object({
    status: z.literal('completed'),
    audio_url: z.string().nullish().catch(undefined),
    text: z.string().nullish().catch(undefined),
    /** In whole seconds; null or 0 of a clip of less than half a second. */
    audio_duration: z.number().nullish().catch(undefined),
    language_code: z.string().nullish().catch(undefined),
    words: z.array(z.unknown()).nullish().catch(undefined),
  }),
])

/** What a job's answer means. Words that cannot be read are left out: the others are paid for. */
export function readJob(answer: unknown): ReadAnswer<TranscriptState> {
  const parsed = Job.safeParse(answer)
  return parsed.success ? { read: stateOf(parsed.data) } : { lacks: whatIsWrong(parsed.error) }
}

function stateOf(job: z.infer<typeof Job>): TranscriptState {
  if (job.status === 'queued' || job.status === 'processing') return { state: 'working' }
  if (job.status === 'error') {
    const message = job.error ?? 'no reason given'
    return { state: 'failed', reason: classifyFailure(message), message }
  }
  if (job.audio_url === DELETED_URL) return { state: 'failed', reason: 'ended', message: 'the job was deleted' }
  const words = (job.words ?? []).flatMap(wordsOf)
  const seconds = job.audio_duration != null && job.audio_duration > 0 ? job.audio_duration : undefined
  return {
    state: 'done',
    language: job.language_code == null ? undefined : tagOf(job.language_code),
    durationSeconds: seconds,
    text: job.text ?? words.map(({ text }) => text).join(' '),
    words,
    cost: { jobs: 1, ...(seconds !== undefined && { audioSeconds: seconds }) },
  }
}

function wordsOf(value: unknown): HeardWord[] {
  const parsed = Word.safeParse(value)
  if (!parsed.success) return []
  const { text, start, end, speaker } = parsed.data
  const startMs = Math.max(0, Math.round(start))
  return [{ text, startMs, endMs: Math.max(startMs, Math.round(end)), ...(speaker != null && { speaker }) }]
}
