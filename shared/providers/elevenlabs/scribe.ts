import { Readable } from 'node:stream'
import * as z from 'zod'

import { RecordingUnfetched } from '../../podcast/errors.ts'
import type { CallTranscriber, HeardWord, Transcribed, TranscriptionRequest } from '../../podcast/ports.ts'
import { callProvider } from '../call-provider.ts'
import type { GuardedAccount } from '../definition.ts'
import { sendForJson, unusable } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { requestBuilder } from './account.ts'
import type { ElevenLabsSettings } from './account.ts'
import { explainRecording } from './errors.ts'
import { codeOf, languages, tagOf } from './languages.ts'

/**
 * An hour of audio takes it a minute or two. A work function is given nine minutes, and what it is still waiting for then
 * is lost, and charged.
 */
const TRANSCRIBE_TIMEOUT_MS = 8 * 60_000
const ANSWER_BYTES_MAX = 128 * 1024 * 1024
const WORDS_MAX = 500_000
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** It was charged, whatever it is like: a part of the wrong type is one that is missing. */
const Answer = z.object({
  language_code: z.string().optional().catch(undefined),
  text: z.string().optional().catch(undefined),
  audio_duration_secs: z.number().nonnegative().optional().catch(undefined),
  words: z.array(z.unknown()).max(WORDS_MAX).optional().catch(undefined),
})
const Word = z.object({
  text: z.string(),
  start: z.number().nullish(),
  end: z.number().nullish(),
  type: z.string().nullish(),
  speaker_id: z.string().nullish(),
})

/** Speech to text with Scribe: https://elevenlabs.io/docs/api-reference/speech-to-text */
export function makeTranscriber(account: GuardedAccount<ElevenLabsSettings>): CallTranscriber {
  const { guard, name, config } = account
  const buildRequest = requestBuilder(account)
  return {
    name,
    kind: 'call',
    callsBack: false,
    takes: languages.takes,

    /** Sent once: it is charged by the length of the recording. */
    async transcribe(request, call) {
      if (!languages.takes(request.language))
        throw new ProviderError(name, 'speechToText', {
          kind: 'invalid_input',
          message: `it has no language ${request.language}`,
        })
      const form = await formFor(request, config.settings.ELEVENLABS_STT_MODEL, config.canReachStorage)
      const post = buildRequest('speechToText', 'POST', '/v1/speech-to-text', form)
      const sent: ProviderRequest = { ...post, explain: explainRecording, slow: true }
      const attempt = async (signal: AbortSignal) =>
        transcribedOf(sent, await sendForJson(sent, Answer, ANSWER_BYTES_MAX, call, signal))
      const limits = { attemptTimeoutMs: TRANSCRIBE_TIMEOUT_MS, attemptsMax: 1, charges: { calls: 1 } }
      const heard = callProvider({ guard, operation: 'speechToText', ...limits, attempt }, call)
      return heard.catch((error: unknown) => {
        throw config.canReachStorage && isRefusedSource(error)
          ? new RecordingUnfetched({ technical: error.message, cause: error })
          : error
      })
    },
  }
}

/** Refused for what we said of where the recording is: an answer that lacks something has no such status. */
function isRefusedSource(error: unknown): error is ProviderError {
  return error instanceof ProviderError && error.kind === 'unusable' && (error.status ?? 0) >= 400
}

async function formFor(
  { language, recording }: TranscriptionRequest,
  model: string,
  canReachStorage: boolean,
): Promise<FormData> {
  const form = new FormData()
  for (const [name, value] of Object.entries(listeningFields(language, model))) form.set(name, value)
  if (canReachStorage) form.set('source_url', await recording.link())
  else {
    const bytes = new Response(Readable.toWeb(await recording.bytes()) as ReadableStream)
    form.set('file', await bytes.blob(), 'recording')
  }
  return form
}

/** What is asked for, beside the recording itself. */
export function listeningFields(language: string, model: string) {
  const code = codeOf(language)
  const asked = { model_id: model, timestamps_granularity: 'word', diarize: 'true', tag_audio_events: 'false' } as const
  return { ...asked, ...(code !== undefined && { language_code: code }) }
}

function transcribedOf(sent: ProviderRequest, answer: z.infer<typeof Answer>): Transcribed {
  const { text: said, audio_duration_secs: durationSeconds } = answer
  const cost = { calls: 1, audioSeconds: durationSeconds ?? 0 }
  if (answer.words === undefined && said === undefined)
    throw unusable(sent, 'the answer has neither words nor a text', cost)
  const words = (answer.words ?? []).flatMap(wordOf)
  return {
    language: answer.language_code === undefined ? undefined : tagOf(answer.language_code),
    durationSeconds,
    text: said ?? words.map(({ text }) => text).join(' '),
    words,
    cost,
  }
}

/** Spaces and sounds that are no words are left out, and so is what has no time. */
function wordOf(value: unknown): HeardWord[] {
  const { success, data: word } = Word.safeParse(value)
  if (!success || word.text.trim() === '' || (word.type ?? 'word') !== 'word' || word.start == null) return []
  const startMs = Math.max(0, Math.round(word.start * 1000))
  const endMs = Math.max(startMs, Math.round((word.end ?? word.start) * 1000))
  if (!Number.isSafeInteger(startMs) || !Number.isSafeInteger(endMs)) return []
  return [
    { text: word.text.trim(), startMs, endMs, ...(word.speaker_id != null && { speaker: labelOf(word.speaker_id) }) },
  ]
}

/** `speaker_0` is `A`: a speaker has the same label whoever transcribes. */
function labelOf(speakerId: string): string {
  const number = /^speaker_(\d{1,2})$/.exec(speakerId)?.[1]
  return number === undefined ? speakerId : (LETTERS[Number(number)] ?? speakerId)
}
