import type { JobFailure } from '../../../../shared/podcast/ports.ts'
import type { ProviderErrorKind } from '../../../../shared/providers/provider-error.ts'

/** One kind of answer, and what becomes of it. */
type AnswerRow = {
  readonly answer: string
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  /** Kind of the ProviderError; or the job's state, with the reason of one that failed. */
  readonly kind: ProviderErrorKind | 'working' | 'done' | JobFailure['reason']
  /** The same may be granted later. */
  readonly canPass: boolean
  /** AssemblyAI charges for it. */
  readonly charged: boolean
  readonly breaker: 'failure' | 'ignored' | 'auth' | 'billing' | 'misconfigured' | 'throttled' | 'success'
}
/** `submit`: to the request that makes a job; `read`: to the one that asks for it. */
export type AssemblyaiAnswer = AnswerRow & { readonly to: 'submit' | 'read' }

const json = (value: unknown) => JSON.stringify(value)
const error = (words: string) => json({ error: words })
const failed = (words: string) => json({ id: 't1', status: 'error', error: words })
const completed = (fields: object) =>
  json({ id: 't1', status: 'completed', audio_url: 'https://s.example/a', text: 'Hi.', ...fields })
const words = [{ text: 'Hi.', start: 0, end: 400, confidence: 1, speaker: 'A' }]

const REFUSED = { canPass: false, charged: false, breaker: 'ignored' } as const
const OPERATOR = { kind: 'misconfigured', canPass: true, charged: false, breaker: 'misconfigured' } as const
const AWAY = { canPass: false, charged: false, breaker: 'failure' } as const
/** The call went well; what it tells is about a job, and failed jobs are not charged. */
const ENDED = { status: 200, canPass: false, charged: false, breaker: 'success' } as const
const DONE = { status: 200, kind: 'done', canPass: false, charged: true, breaker: 'success' } as const

const TO_SUBMIT: readonly AnswerRow[] = [
  {
    answer: 'a model that it does not have (any more)',
    status: 400,
    body: error('"speech_models" must be a non-empty list containing one or more of: "universal-3-pro", "universal-2"'),
    ...OPERATOR,
  },
  {
    answer: 'a field that it does not have',
    status: 400,
    body: error('Invalid endpoint schema, please refer to documentation for examples.'),
    ...OPERATOR,
  },
  {
    answer: 'a field that it does not know, named after the language',
    status: 400,
    body: error("Unknown field 'language_code'. Did you mean 'language_codes'?"),
    ...OPERATOR,
  },
  {
    answer: 'a model that it gives up, with a word on languages',
    status: 400,
    body: error('The speech model "universal-2" is deprecated and does not support this language.'),
    ...OPERATOR,
  },
  {
    answer: 'a model that must be named, with a word on the recording',
    status: 400,
    body: error('speech_models is required: choose the models for your audio file'),
    ...OPERATOR,
  },
  { answer: 'a field that it takes no more', status: 400, body: error('punctuate is deprecated'), ...OPERATOR },
  { answer: 'an endpoint that is gone', status: 404, body: error('Not found'), ...OPERATOR },
  { answer: 'a page instead of the endpoint', status: 404, body: '<html>no</html>', ...OPERATOR },
  {
    answer: 'a language that the models do not take',
    status: 400,
    body: error('The selected speech models do not support the language: cy'),
    kind: 'invalid_input',
    ...REFUSED,
  },
  {
    answer: 'a link it does not take',
    status: 400,
    body: error('Invalid audio_url'),
    kind: 'invalid_input',
    ...REFUSED,
  },
  { answer: 'a 400 without words', status: 400, body: '', kind: 'invalid_input', ...REFUSED },
  {
    answer: 'an account in the red',
    status: 400,
    body: error('Your current account balance is negative. Please top up to continue using the API.'),
    kind: 'billing',
    canPass: false,
    charged: false,
    breaker: 'billing',
  },
  {
    answer: 'an account that must pay',
    status: 402,
    body: error('Payment required'),
    kind: 'billing',
    canPass: false,
    charged: false,
    breaker: 'billing',
  },
  {
    answer: 'a wrong key',
    status: 401,
    body: error('Authentication error, API token missing/invalid'),
    kind: 'auth',
    canPass: false,
    charged: false,
    breaker: 'auth',
  },
  {
    answer: 'an account that may not',
    status: 403,
    body: error('Forbidden'),
    kind: 'auth',
    canPass: false,
    charged: false,
    breaker: 'auth',
  },
  {
    answer: 'too many requests',
    status: 429,
    headers: { 'Retry-After': '7' },
    body: error('Too many requests'),
    kind: 'rate_limited',
    canPass: false,
    charged: false,
    breaker: 'throttled',
  },
  { answer: 'a server error', status: 500, body: error('Server error'), kind: 'overloaded', ...AWAY },
  { answer: 'a 503 without a body', status: 503, body: '', kind: 'overloaded', ...AWAY },
  { answer: 'a page of a gateway', status: 502, body: '<html>bad gateway</html>', kind: 'overloaded', ...AWAY },
  {
    answer: 'something that it could not store, for now',
    status: 400,
    body: error('Upload failed, please try again'),
    kind: 'overloaded',
    ...AWAY,
  },
  { answer: 'a page in place of an answer', status: 200, body: '<html>hello</html>', kind: 'bad_response', ...AWAY },
  { answer: 'a job without an id', status: 200, body: '{"status":"queued"}', kind: 'unusable', ...REFUSED },
]

const TO_READ: readonly AnswerRow[] = [
  { answer: 'a job that waits', body: json({ id: 't1', status: 'queued' }), kind: 'working', ...ENDED },
  { answer: 'a job that is gone', ...REFUSED, status: 404, body: error('Transcript not found'), kind: 'ended' },
  { answer: 'a page in place of a job', ...AWAY, status: 404, body: '<html>no</html>', kind: 'bad_response' },
  { answer: 'a state that nobody knows', ...REFUSED, status: 200, body: json({ status: 'resting' }), kind: 'unusable' },
  {
    answer: 'a file that is no recording',
    body: failed('Transcoding failed. File does not appear to contain audio. File type is text/html (HTML document)'),
    kind: 'not_audio',
    ...ENDED,
  },
  {
    answer: 'a recording without speech',
    body: failed('language_detection cannot be performed on files with no spoken audio.'),
    kind: 'no_speech',
    ...ENDED,
  },
  { answer: 'a recording too short', body: failed('Audio duration is too short.'), kind: 'refused', ...ENDED },
  {
    answer: 'a recording that could not be fetched',
    body: failed('Download error, unable to download the audio file. Please make sure it does contain audio'),
    kind: 'unfetched',
    ...ENDED,
  },
  { answer: 'an upload that it lost', body: failed('Upload failed, please try again'), kind: 'ended', ...ENDED },
  { answer: 'its own error', body: failed('Server error, developers have been alerted'), kind: 'ended', ...ENDED },
  {
    answer: 'words about audio, format and codec that nobody knows',
    body: failed('The audio codec made an unexpected format'),
    kind: 'ended',
    ...ENDED,
  },
  { answer: 'a failure without words', body: json({ status: 'error', error: null }), kind: 'ended', ...ENDED },
  { answer: 'a transcript', body: completed({ words, audio_duration: 1 }), ...DONE },
  { answer: 'a transcript of a length of 0', body: completed({ words, audio_duration: 0 }), ...DONE },
  { answer: 'a transcript without length and words', body: completed({ words: null, audio_duration: null }), ...DONE },
  {
    answer: 'a transcript with words nobody can read',
    body: completed({ words: [null, { text: 5 }, ...words, { text: 'x', start: -3, end: -9 }], audio_duration: 'one' }),
    ...DONE,
  },
  {
    answer: 'a transcript that somebody has deleted',
    body: completed({ text: 'Deleted by user.', audio_url: 'http://deleted_by_user' }),
    kind: 'ended',
    ...ENDED,
  },
]

/** What AssemblyAI has been known to answer, or has published that it may. */
export const ASSEMBLYAI_ANSWERS: readonly AssemblyaiAnswer[] = [
  ...TO_SUBMIT.map((row) => ({ ...row, to: 'submit' as const })),
  ...TO_READ.map((row) => ({ ...row, to: 'read' as const })),
]
