import type {
  ListTranscriptParams,
  ParagraphsResponse,
  SentencesResponse,
  Transcript,
  TranscriptLanguageCode,
  TranscriptList,
  TranscriptParams,
  WordSearchResponse,
} from 'assemblyai'
import { expect, test } from 'vitest'

import {
  makeJob,
  paragraphsResponse,
  sentencesResponse,
  transcriptOf,
  wordSearchResponse,
} from '../../../../infra/local/providers/assemblyai/job.ts'
import { pageOf } from '../../../../infra/local/providers/assemblyai/list.ts'
import { readSubmission } from '../../../../infra/local/providers/assemblyai/submission.ts'
import type { Submission } from '../../../../infra/local/providers/assemblyai/submission.ts'
import type { LanguageCode } from '../../../../shared/providers/assemblyai/languages.ts'
import { submissionOf } from '../../../../shared/providers/assemblyai/submission.ts'

/*
 * What we send, and what the stand-in takes and answers, beside the types of AssemblyAI's own SDK: an update of the SDK
 * that changes them does not compile here.
 */

/** A type as it is once it has been JSON. */
type AsJson<T> = T extends Date ? string : T extends (infer U)[] ? AsJson<U>[] : T extends object ? Fields<T> : T
type Fields<T> = { [Name in keyof T]: AsJson<T[Name]> }
type Sent = NonNullable<ReturnType<typeof submissionOf>>
type SentNames = Sent extends infer One ? (One extends object ? keyof One : never) : never

type Answered = ReturnType<typeof transcriptOf>
type Within<Some, All> = [Some] extends [All] ? true : false
type Same<One, Other> = Within<One, Other> extends true ? Within<Other, One> : false

/** Does not compile where one side has what the other has not. */
const AS_IN_THE_SDK: {
  readonly fieldsWeSend: Within<SentNames, keyof TranscriptParams>
  readonly codesOfLanguages: Same<LanguageCode, TranscriptLanguageCode>
  /** AssemblyAI itself takes `speech_model` no more. */
  readonly fieldsTheStandInTakes: Same<keyof Submission, Exclude<keyof TranscriptParams, 'speech_model'>>
  readonly fieldsEveryAnswerHas: Within<RequiredNames<Transcript>, keyof Answered>
  readonly fieldsTheStandInAnswers: Within<keyof Answered, keyof Transcript | 'stand_in'>
} = {
  fieldsWeSend: true,
  codesOfLanguages: true,
  fieldsTheStandInTakes: true,
  fieldsEveryAnswerHas: true,
  fieldsTheStandInAnswers: true,
}

type RequiredNames<T> = { [Name in keyof T]-?: object extends Pick<T, Name> ? never : Name }[keyof T]

test('names of fields and codes are those of the SDK', () => {
  expect(Object.values(AS_IN_THE_SDK)).not.toContain(false)
})

const WEBHOOK = { url: 'https://h.example/hook', header: { name: 'X-T', value: 's' } }
const WANTED = { audioUrl: 'https://s.example/a', language: 'en-GB', models: ['universal-2'], webhook: WEBHOOK }

test('what we send has the types of the SDK, and the stand-in takes it', () => {
  for (const wanted of [WANTED, { ...WANTED, language: 'auto' }, { ...WANTED, webhook: undefined }]) {
    const sent = submissionOf(wanted)
    if (sent === undefined) throw new Error('a language that there is')
    const params: TranscriptParams = sent
    expect(readSubmission(JSON.parse(JSON.stringify(params)))).toEqual(sent)
  }
})

test('a language is named or asked for, never both, and one that is not there is not sent', () => {
  expect(submissionOf(WANTED)).toMatchObject({ language_code: 'en_uk', speaker_labels: true })
  expect(submissionOf(WANTED)).not.toHaveProperty('language_detection')
  expect(submissionOf({ ...WANTED, language: 'auto' })).toMatchObject({ language_detection: true })
  expect(submissionOf({ ...WANTED, language: 'auto' })).not.toHaveProperty('language_code')
  expect(submissionOf({ ...WANTED, language: 'tlh' })).toBeUndefined()
})

test('what the stand-in answers has the types of the SDK', () => {
  const words = [{ text: 'Hi.', start: 0, end: 500, confidence: 1, speaker: 'A' }]
  const job = { ...makeJob({ audio_url: 'https://s.example/a', speaker_labels: true }), words, durationSeconds: 0 }
  const transcript: AsJson<Transcript> = transcriptOf({ ...job, status: 'completed' })
  const sentences: SentencesResponse = sentencesResponse(job)
  const paragraphs: ParagraphsResponse = paragraphsResponse(job)
  const found: WordSearchResponse = wordSearchResponse(job, ['hi', 'no'])
  const query = { limit: 1, status: 'queued', created_on: job.created.slice(0, 10) } satisfies ListTranscriptParams
  const params = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  )
  const list: AsJson<TranscriptList> | undefined = pageOf([job], new URL(`http://x/v2/transcript?${params.toString()}`))
  expect(transcript.utterances).toEqual([{ text: 'Hi.', start: 0, end: 500, confidence: 0.97, speaker: 'A', words }])
  expect([sentences.sentences.length, paragraphs.paragraphs.length, found.total_count]).toEqual([1, 1, 1])
  expect(list?.transcripts.map(({ id }) => id)).toEqual([job.id])
})
