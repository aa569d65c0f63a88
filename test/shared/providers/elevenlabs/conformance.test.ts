import type { ElevenLabs } from '@elevenlabs/elevenlabs-js'
import type { BodyTextToSpeechFull } from '@elevenlabs/elevenlabs-js/serialization/resources/textToSpeech/client/requests/BodyTextToSpeechFull.js'
import type { SpeechToTextConvertRequestTimestampsGranularity } from '@elevenlabs/elevenlabs-js/serialization/resources/speechToText/types/SpeechToTextConvertRequestTimestampsGranularity.js'
import type { GetVoicesV2Response } from '@elevenlabs/elevenlabs-js/serialization/types/GetVoicesV2Response.js'
import type { Model } from '@elevenlabs/elevenlabs-js/serialization/types/Model.js'
import type { SpeechToTextChunkResponseModel } from '@elevenlabs/elevenlabs-js/serialization/types/SpeechToTextChunkResponseModel.js'
import type { Subscription } from '@elevenlabs/elevenlabs-js/serialization/types/Subscription.js'
import type { User } from '@elevenlabs/elevenlabs-js/serialization/types/User.js'
import type { Voice } from '@elevenlabs/elevenlabs-js/serialization/types/Voice.js'
import { expect, test } from 'vitest'
import type * as z from 'zod'

import { makeAccounts, subscriptionOf, userOf } from '../../../../infra/local/providers/elevenlabs/accounts.ts'
import { listModels } from '../../../../infra/local/providers/elevenlabs/models.ts'
import { transcriptOf } from '../../../../infra/local/providers/elevenlabs/scribe.ts'
import { FORMATS, SpeechBody } from '../../../../infra/local/providers/elevenlabs/speech.ts'
import type { FIELDS } from '../../../../infra/local/providers/elevenlabs/transcription-request.ts'
import { listVoices, readVoice } from '../../../../infra/local/providers/elevenlabs/voices.ts'
import type { Mp3Format } from '../../../../shared/providers/elevenlabs/account.ts'
import { MP3_FORMATS } from '../../../../shared/providers/elevenlabs/account.ts'
import { listeningFields } from '../../../../shared/providers/elevenlabs/scribe.ts'
import { speechBody } from '../../../../shared/providers/elevenlabs/speech.ts'

/*
 * What we send, and what the stand-in takes and answers, beside the types of ElevenLabs' own SDK: an update of the SDK
 * that changes them does not compile here.
 */

type Within<Some, All> = [Some] extends [All] ? true : false
type Same<One, Other> = Within<One, Other> extends true ? Within<Other, One> : false
/** `sourceUrl` as it is sent: `source_url`. */
type Snake<Name> = Name extends `${infer First}${infer Rest}`
  ? First extends Lowercase<First>
    ? `${First}${Snake<Rest>}`
    : `_${Lowercase<First>}${Snake<Rest>}`
  : Name
/** Of speech to text; the two that stand in the address are not among its fields. */
type FormField = Snake<Exclude<keyof ElevenLabs.BodySpeechToTextV1SpeechToTextPost, 'token' | 'enableLogging'>>
type Format = ElevenLabs.TextToSpeechConvertRequestOutputFormat

/** Does not compile where one side has what the other has not. */
const AS_IN_THE_SDK: {
  readonly fieldsOfSpeechWeSend: Within<keyof ReturnType<typeof speechBody>, keyof BodyTextToSpeechFull.Raw>
  readonly fieldsOfSpeechTheStandInTakes: Same<keyof z.infer<typeof SpeechBody>, keyof BodyTextToSpeechFull.Raw>
  readonly formatsTheStandInTakes: Same<(typeof FORMATS)[number], Format>
  readonly formatsThatCanBeSet: Same<Mp3Format, Extract<Format, `mp3_${string}`>>
  readonly fieldsOfTranscriptionTheStandInTakes: Same<(typeof FIELDS)[number], FormField>
  readonly fieldsOfTranscriptionWeSend: Within<keyof ReturnType<typeof listeningFields>, FormField>
  readonly fieldsOfVoices: Within<keyof ReturnType<typeof readVoice>, keyof Voice.Raw>
  readonly fieldsOfModels: Within<keyof ReturnType<typeof listModels>[number], keyof Model.Raw>
  readonly fieldsOfUsers: Within<keyof ReturnType<typeof userOf>, keyof User.Raw>
  readonly fieldsOfPlans: Within<keyof ReturnType<typeof subscriptionOf>, keyof Subscription.Raw>
  readonly fieldsOfTranscripts: Within<keyof ReturnType<typeof transcriptOf>, keyof SpeechToTextChunkResponseModel.Raw>
} = {
  fieldsOfSpeechWeSend: true,
  fieldsOfSpeechTheStandInTakes: true,
  formatsTheStandInTakes: true,
  formatsThatCanBeSet: true,
  fieldsOfTranscriptionTheStandInTakes: true,
  fieldsOfTranscriptionWeSend: true,
  fieldsOfVoices: true,
  fieldsOfModels: true,
  fieldsOfUsers: true,
  fieldsOfPlans: true,
  fieldsOfTranscripts: true,
}

test('names of fields and formats are those of the SDK', () => {
  expect(Object.values(AS_IN_THE_SDK)).not.toContain(false)
})

test('what we send has the types of the SDK, and the stand-in takes it', () => {
  const sent: BodyTextToSpeechFull.Raw = speechBody('Hello.', 'eleven_multilingual_v2')
  const formats: readonly Format[] = MP3_FORMATS
  expect(SpeechBody.parse(sent)).toEqual(sent)
  expect(FORMATS).toEqual(expect.arrayContaining([...formats]))
})

test('a language is sent by its shortest code, and `auto` as none', () => {
  const fields = (language: string) => listeningFields(language, 'scribe_v2')
  const granularity: SpeechToTextConvertRequestTimestampsGranularity.Raw = fields('auto').timestamps_granularity
  expect(granularity).toBe('word')
  const sent = ['en-GB', 'pt-BR', 'zh-Hans', 'nb', 'es-419', 'fil', 'auto'].map((tag) => fields(tag).language_code)
  expect(sent).toEqual(['en', 'pt', 'zh', 'no', 'es', 'fil', undefined])
})

test('what the stand-in answers has the types of the SDK', () => {
  const account = makeAccounts('k').get('k-free')
  if (account === undefined) throw new Error('an account that there is')
  const user: User.Raw = userOf(account)
  const subscription: Subscription.Raw = subscriptionOf(account)
  const models: Model.Raw[] = listModels()
  const page: GetVoicesV2Response.Raw = listVoices(new URL('http://x/v2/voices?page_size=2'))
  const voice: Voice.Raw = readVoice(page.voices[1]?.voice_id ?? '')
  const spoken = [
    { text: 'Hi,', start: 0, end: 500, confidence: 1, speaker: 'A' },
    { text: 'you.', start: 600, end: 900, confidence: 1, speaker: 'B' },
  ]
  const transcript: SpeechToTextChunkResponseModel.Raw = transcriptOf(spoken, 1, { timed: true, diarize: true })
  expect([user.subscription.tier, subscription.status, models.length > 0]).toEqual(['free', 'free', true])
  expect([page.has_more, page.next_page_token, voice.category]).toEqual([true, '2', 'premade'])
  expect(transcript.words.map(({ type, start, end, speaker_id: who }) => [type, start, end, who])).toEqual([
    ['word', 0, 0.5, 'speaker_0'],
    ['spacing', 0.5, 0.6, 'speaker_0'],
    ['word', 0.6, 0.9, 'speaker_1'],
  ])
})
