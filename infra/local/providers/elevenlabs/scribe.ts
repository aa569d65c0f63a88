import { randomUUID } from 'node:crypto'

import { transcribeAudio } from '../../audio/heard-words.ts'
import type { SpokenWord } from '../../audio/heard-words.ts'
import { durationSeconds } from '../../audio/mastering.ts'
import type { LocalRequest, Reply } from '../../http-service.ts'
import { fetchAudio, wait } from '../stand-in.ts'
import type { StandInOptions, WorkLog } from '../stand-in.ts'
import { refuse } from './refusals.ts'
import { readTranscription } from './transcription-request.ts'
import type { TranscriptionRequest } from './transcription-request.ts'

const LATENCY_MS = { base: 600, shareOfAudio: 0.02 }
/** SDK 2.73.0, `file`. */
const SECONDS_MIN = 0.1

/** Speech to text: the words of the clip that ships, filler for any other, as the other transcriber has them. */
export async function answerTranscription(
  request: LocalRequest,
  { pace }: StandInOptions,
  work: WorkLog,
): Promise<Reply> {
  const startedAtMs = Date.now()
  const asked = await readTranscription(request)
  const { source } = asked
  if (typeof source === 'string') request.concerns(/episodes\/([0-9a-f]{24})\//.exec(source)?.[1] ?? '')
  const audio = typeof source === 'string' ? await fetchAudio(source) : Buffer.from(await source.arrayBuffer())
  if (audio === undefined)
    refuse(400, 'invalid_source_url', 'The file could not be fetched from the URL.', 'source_url')
  const seconds = await durationSeconds(audio).catch(() => undefined)
  if (seconds === undefined)
    refuse(400, 'invalid_content', 'File upload is corrupted. Please ensure it is playable audio.', 'file')
  if (seconds < SECONDS_MIN) refuse(400, 'audio_too_short', 'Audio is too short.', 'file')
  await wait((LATENCY_MS.base + seconds * 1000 * LATENCY_MS.shareOfAudio) * pace.factor - (Date.now() - startedAtMs))
  const charged = { calls: 1, audioSeconds: seconds }
  work.record('elevenlabs', String(request.headers['x-correlation-id'] ?? ''), startedAtMs, charged)
  return { status: 200, json: transcriptOf(transcribeAudio(audio, seconds, asked.diarize), seconds, asked) }
}

/** What was heard, with the space after each word as one of its own, as the vendor has it. */
export function transcriptOf(
  spoken: readonly SpokenWord[],
  seconds: number,
  { timed, diarize }: Pick<TranscriptionRequest, 'timed' | 'diarize'>,
) {
  const item = (
    type: 'word' | 'spacing',
    text: string,
    between: { start: number; end: number },
    speaker: string | null,
  ) => ({
    text,
    type,
    start: timed ? between.start / 1000 : null,
    end: timed ? between.end / 1000 : null,
    speaker_id: diarize ? speakerOf(speaker) : null,
    logprob: type === 'word' ? -0.03 : 0,
  })
  const words = spoken.flatMap((one, index) => {
    const next = spoken[index + 1]
    const word = item('word', one.text, one, one.speaker)
    return next === undefined
      ? [word]
      : [word, item('spacing', ' ', { start: one.end, end: Math.max(one.end, next.start) }, one.speaker)]
  })
  return {
    language_code: 'eng',
    language_probability: 0.98,
    text: spoken.map(({ text }) => text).join(' '),
    words,
    transcription_id: randomUUID(),
    audio_duration_secs: seconds,
  }
}

/** `A` is `speaker_0`. */
function speakerOf(letter: string | null): string {
  return `speaker_${Math.max(0, (letter ?? 'A').charCodeAt(0) - 'A'.charCodeAt(0))}`
}
