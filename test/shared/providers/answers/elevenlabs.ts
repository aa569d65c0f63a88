import type { ProviderErrorKind } from '../../../../shared/providers/provider-error.ts'
import type { Lost } from './gemini.ts'

/** One kind of answer, and what becomes of it. `own`: the voice is the one that the person chose. */
export type ElevenLabsAnswer = {
  readonly to: 'speak' | 'hear'
  readonly answer: string
  /** 0: the connection is reset. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
  readonly own: boolean
  readonly kind: ProviderErrorKind | 'used' | 'unfetched'
  /** What it says is of the recording, which every transcriber would say. */
  readonly isNotAudio?: boolean
  readonly canPass: boolean
  readonly charged: boolean
  /** Nobody sees the end of the call, which may be charged. */
  readonly lost: Lost
  readonly breaker: 'success' | 'failure' | 'ignored' | 'throttled' | 'auth' | 'billing' | 'misconfigured'
}
type End = Pick<ElevenLabsAnswer, 'kind' | 'canPass' | 'charged' | 'breaker'> &
  Partial<Pick<ElevenLabsAnswer, 'lost' | 'isNotAudio'>>

const JSON_TYPE = { 'Content-Type': 'application/json' }
const MP3 = Buffer.concat([Buffer.from('ID3'), Buffer.alloc(20_000)])
const detail = (value: unknown) => JSON.stringify({ detail: value })
const coded = (code: string, message = 'words of theirs') => detail({ status: code, message })
const words = (some: unknown) =>
  JSON.stringify({ language_code: 'eng', text: 'Hi.', audio_duration_secs: 1.5, words: some })

const USED: End = { kind: 'used', canPass: false, charged: true, breaker: 'success' }
const USELESS: End = { kind: 'unusable', canPass: false, charged: true, breaker: 'ignored' }
const UNFETCHED: End = { ...USELESS, kind: 'unfetched', charged: false }
const THEIRS: End = { kind: 'invalid_input', canPass: false, charged: false, breaker: 'ignored' }
const NOT_AUDIO: End = { ...THEIRS, isNotAudio: true }
/** Ours to mend, and nothing to those who ask for something else. */
const OURS_ALONE: End = { kind: 'misconfigured', canPass: true, charged: false, breaker: 'ignored' }
const OURS: End = { kind: 'misconfigured', canPass: true, charged: false, breaker: 'misconfigured' }
const DECLINED: End = { ...THEIRS, kind: 'content_blocked' }
const account = (kind: 'auth' | 'billing'): End => ({ kind, canPass: false, charged: false, breaker: kind })
const LOST: End = { kind: 'overloaded', canPass: false, charged: false, lost: 'quickly', breaker: 'failure' }
const RESET: End = { ...LOST, kind: 'network' }
const AWAY: End = { kind: 'overloaded', canPass: false, charged: false, breaker: 'failure' }

const spoken = (answer: string, type: string, body: Buffer | string, end: End): ElevenLabsAnswer => ({
  to: 'speak',
  answer,
  status: 200,
  headers: { 'Content-Type': type, 'character-cost': '6' },
  body,
  own: false,
  lost: 'no',
  ...end,
})
const refused = (answer: string, status: number, body: string, end: End, own = false): ElevenLabsAnswer => ({
  to: 'speak',
  answer,
  status,
  headers: JSON_TYPE,
  body,
  own,
  lost: 'no',
  ...end,
})
const heard = (answer: string, status: number, body: string, end: End, headers = JSON_TYPE): ElevenLabsAnswer => ({
  to: 'hear',
  answer,
  status,
  headers,
  body,
  own: false,
  lost: 'no',
  ...end,
})

const OF_VOICES = [
  refused(
    'a chosen voice that only paid plans have',
    402,
    coded('paid_plan_required'),
    { ...THEIRS, canPass: true },
    true,
  ),
  refused('a chosen voice of a subscription', 403, coded('subscription_required'), { ...THEIRS, canPass: true }, true),
  refused(
    'a chosen voice that the account may not use',
    403,
    coded('voice_access_denied'),
    { ...THEIRS, canPass: true },
    true,
  ),
  refused('a chosen voice that is not there', 404, coded('voice_not_found'), THEIRS, true),
  refused('a chosen voice that is no id', 400, coded('invalid_uid'), THEIRS, true),
  refused(
    'a chosen voice of the library, on a free plan (older words)',
    402,
    detail({ status: 'payment_required', message: 'Free users cannot use library voices via the API.' }),
    { ...THEIRS, canPass: true },
    true,
  ),
  refused(
    'a chosen voice, refused for a reason we do not know (403)',
    403,
    coded('voice_is_resting'),
    { ...THEIRS, canPass: true },
    true,
  ),
  refused(
    'a chosen voice, refused by the check of its field',
    422,
    detail([{ loc: ['path', 'voice_id'], msg: 'String should match a pattern', type: 'string_pattern_mismatch' }]),
    THEIRS,
    true,
  ),
  refused('credits used up, with a chosen voice', 401, coded('quota_exceeded'), account('billing'), true),
  refused('a chosen voice, and its address is not found', 404, detail('Not Found'), { ...THEIRS, canPass: true }, true),
  refused('a chosen voice, and a page that is not there', 404, '<html>', { ...THEIRS, canPass: true }, true),
  refused('our own voice was retired', 404, coded('voice_not_found'), OURS_ALONE),
  refused('our own voice is for paid plans', 402, coded('paid_plan_required'), OURS_ALONE),
]
const TO_SPEAK = [
  spoken('an mp3', 'audio/mpeg', MP3, USED),
  spoken('an mp3 as bytes of no type', 'application/octet-stream', MP3, USED),
  spoken('JSON in place of sound', 'application/json', '{"audio_base64":""}', USELESS),
  spoken('a page in place of sound', 'text/html', '<html>', USELESS),
  spoken('what is no mp3', 'audio/mpeg', 'RIFF nothing', USELESS),
  spoken('no sound at all', 'audio/mpeg', '', USELESS),
  spoken('sound cut short', 'audio/mpeg', MP3.subarray(0, 300), USELESS),
  refused('a model that was retired', 404, coded('model_not_found'), OURS),
  refused(
    'a field that it does not have',
    422,
    detail([{ loc: ['body', 'model'], msg: 'Extra inputs', type: 'x' }]),
    OURS,
  ),
  refused('an address that is gone', 404, detail('Not Found'), OURS),
  refused('a text too long', 400, coded('max_character_limit_exceeded'), THEIRS),
  refused('a text too long for the model', 400, coded('text_too_long'), THEIRS),
  refused(
    'a text refused by the check of its field',
    422,
    detail([{ loc: ['body', 'text'], msg: 'String should have at least 1 character', type: 'string_too_short' }]),
    THEIRS,
  ),
  refused(
    'a 400 that names the text',
    400,
    detail({ code: 'invalid_parameters', message: 'x', param: 'text' }),
    THEIRS,
  ),
  refused(
    'a 400 that names another field',
    400,
    detail({ code: 'invalid_parameters', message: 'x', param: 'model_id' }),
    OURS,
  ),
  refused('a 400 that says nothing we know', 400, coded('something_new'), { ...THEIRS, canPass: true }),
  refused(
    'a format that the plan does not have',
    403,
    detail({ code: 'subscription_required', message: 'Output format mp3_44100_192 needs Creator.' }),
    OURS,
  ),
  refused('a method that the address does not have', 405, detail('Method Not Allowed'), OURS),
  refused('a page that is not there', 404, '<html>', OURS),
  refused('declined content', 400, coded('content_policy_violation'), DECLINED),
  refused('a key that is wrong', 401, coded('invalid_api_key'), account('auth')),
  refused('unusual activity', 401, coded('detected_unusual_activity'), account('auth')),
  refused('credits used up', 401, coded('quota_exceeded'), account('billing')),
  refused('credits used up, newer words', 402, coded('insufficient_credits'), account('billing')),
  refused('too much at once', 429, coded('too_many_concurrent_requests'), {
    kind: 'at_capacity',
    canPass: false,
    charged: false,
    breaker: 'ignored',
  }),
  refused('an answered 500', 500, coded('internal_error'), AWAY),
  refused('a busy service', 503, coded('system_busy'), AWAY),
  refused('a 504', 504, coded('gateway_timeout'), LOST),
  refused('a reset', 0, '', RESET),
]
const TO_HEAR = [
  heard('words', 200, words([{ text: 'Hi.', start: 0, end: 0.4, type: 'word', speaker_id: 'speaker_0' }]), USED),
  heard('words among spaces, sounds and nonsense', 200, words([{ text: ' ', type: 'spacing' }, null, 7]), USED),
  heard('neither words nor a text', 200, '{"transcription_id":"t"}', USELESS),
  heard('broken JSON', 200, '{"text": "Hi', { ...USELESS, charged: false }),
  heard('a page in place of words', 200, '<html>', { ...AWAY, kind: 'bad_response' }, { 'Content-Type': 'text/html' }),
  heard('a model that was retired', 422, detail([{ loc: ['body', 'model_id'], msg: 'not valid', type: 'x' }]), OURS),
  heard('a recording that is no audio', 400, coded('invalid_audio'), NOT_AUDIO),
  heard('a recording that is damaged', 400, coded('invalid_content', 'File upload is corrupted.'), NOT_AUDIO),
  heard('a recording it could not fetch', 400, coded('invalid_source_url'), UNFETCHED),
  heard(
    'a language that it does not have after all',
    422,
    detail([{ loc: ['body', 'language_code'], msg: 'not supported', type: 'value_error' }]),
    THEIRS,
  ),
  heard('words of the wrong type', 200, words('none').replace('"text":"Hi."', '"text":7'), USELESS),
  heard('a text without words', 200, words(null), USED),
  heard('words without language or length', 200, '{"words":[{"text":"Hi.","start":0,"end":1}]}', USED),
  heard('a 400 that says nothing we know', 400, coded('something_new'), { ...THEIRS, canPass: true }),
  heard('credits used up', 401, coded('quota_exceeded'), account('billing')),
  heard('too much at once', 429, coded('concurrent_limit_exceeded'), {
    kind: 'at_capacity',
    canPass: false,
    charged: false,
    breaker: 'ignored',
  }),
  heard('a key without that permission', 401, coded('missing_permissions'), account('auth')),
  heard('an answered 500', 500, coded('internal_error'), AWAY),
  heard('a 504', 504, coded('gateway_timeout'), LOST),
  heard('a reset', 0, '', RESET),
]

/** What ElevenLabs has been seen to answer, or says that it may. */
export const ELEVENLABS_ANSWERS: readonly ElevenLabsAnswer[] = [...OF_VOICES, ...TO_SPEAK, ...TO_HEAR]
