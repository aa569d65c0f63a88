import type { JobFailure } from '../../../../shared/podcast/ports.ts'
import type { ProviderErrorKind } from '../../../../shared/providers/provider-error.ts'
import { silentMp3 } from '../../podcast/sound/mp3-frames.ts'

/** What Auphonic may answer to one call of the port, and what it means. */
export type AnswerRow = {
  readonly answer: string
  readonly to: 'create' | 'read' | 'start' | 'download'
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Buffer
  /** The connection ends when so many bytes of the body were sent. */
  readonly cutAfterBytes?: number
  /** A failed call, a failed production, or the state that it is in. */
  readonly means:
    | { readonly kind: ProviderErrorKind }
    | { readonly reason: JobFailure['reason'] }
    | { readonly state: 'new' | 'working' | 'done' }
  /** Whether the same may be granted later: an upgrade is tried. Of refused calls only. */
  readonly canPass: boolean
  /** Whether the production was charged by then. */
  readonly charged: boolean
  /** What its breaker makes of it. */
  readonly breaker: 'success' | 'failure' | 'ignored' | 'auth' | 'billing' | 'misconfigured' | 'throttled'
}

const SECONDS = 11
const SOUND = silentMp3(Math.ceil((SECONDS * 44_100) / 1152))
const json = { 'Content-Type': 'application/json' }

function envelope(status: number, more: object = {}): string {
  return JSON.stringify({
    status_code: status,
    error_code: null,
    error_message: '',
    form_errors: {},
    data: {},
    ...more,
  })
}

function production(more: object): string {
  return envelope(200, { data: { uuid: 'u1', start_allowed: false, error_message: '', ...more } })
}

const refused = { canPass: false, charged: false, breaker: 'ignored' } as const
const inTheWay = { headers: json, charged: false, canPass: false } as const
/** A production as it is read: nothing is wrong with the call. */
const read = { to: 'read', status: 200, headers: json, canPass: false, charged: false, breaker: 'success' } as const
const created = { to: 'create', headers: json } as const
const fetched = { to: 'download', status: 200, canPass: false, charged: true } as const

/** A production that failed, and for no reason that is in the recording. */
const failed = (answer: string, why: string | null): AnswerRow => ({
  ...read,
  answer,
  body: production({ status: 2, error_message: why }),
  means: { reason: 'ended' },
})

export const AUPHONIC_ANSWERS: readonly AnswerRow[] = [
  // Creating a production.
  {
    ...created,
    ...refused,
    answer: 'a title it does not take',
    status: 400,
    body: envelope(400, {
      error_message: 'Invalid fields',
      form_errors: { metadata: { title: ['Too long, unlike my algorithms'] } },
    }),
    means: { kind: 'invalid_input' },
  },
  {
    ...created,
    ...refused,
    answer: 'a loudness it does not take',
    status: 400,
    body: envelope(400, { form_errors: { algorithms: { loudnesstarget: ['Select a valid choice.'] } } }),
    means: { kind: 'invalid_input' },
  },
  {
    ...created,
    ...refused,
    answer: 'a title about credits',
    status: 400,
    body: envelope(400, { error_message: 'The title is too long', form_errors: { title: ['Credits'] } }),
    means: { kind: 'invalid_input' },
  },
  {
    ...created,
    answer: 'an algorithm it has no more',
    status: 400,
    body: envelope(400, { error_message: 'Unknown algorithm denoise', form_errors: { algorithms: ['denoise'] } }),
    means: { kind: 'misconfigured' },
    canPass: true,
    charged: false,
    breaker: 'misconfigured',
  },
  {
    ...created,
    answer: 'a renamed field',
    status: 400,
    body: envelope(400, { error_message: 'Unknown field input_file' }),
    means: { kind: 'misconfigured' },
    canPass: true,
    charged: false,
    breaker: 'misconfigured',
  },
  {
    ...created,
    answer: 'a bit rate it has no more, inside 200',
    status: 200,
    body: envelope(400, { error_message: 'Invalid bitrate in output_files' }),
    means: { kind: 'misconfigured' },
    canPass: true,
    charged: false,
    breaker: 'misconfigured',
  },
  {
    ...created,
    answer: 'a missing endpoint',
    status: 404,
    headers: { 'Content-Type': 'text/html' },
    body: '<h1>Not Found</h1>',
    means: { kind: 'misconfigured' },
    canPass: true,
    charged: false,
    breaker: 'misconfigured',
  },
  {
    ...created,
    ...refused,
    answer: 'an error code inside 200',
    status: 200,
    body: envelope(200, { error_code: 'invalid', error_message: 'No.' }),
    means: { kind: 'invalid_input' },
  },
  {
    ...created,
    ...refused,
    answer: 'an error code inside 200 that names a field',
    status: 200,
    body: envelope(200, { error_code: 'invalid', error_message: 'No.', form_errors: { preset: ['None.'] } }),
    means: { kind: 'invalid_input' },
  },
  {
    ...created,
    ...refused,
    answer: 'a list of errors that names no field',
    status: 400,
    body: envelope(400, { error_message: 'No.', form_errors: [['No.']] }),
    means: { kind: 'invalid_input' },
  },
  {
    ...created,
    ...inTheWay,
    answer: 'no credits',
    status: 402,
    body: envelope(402, { error_message: 'Not enough credits' }),
    means: { kind: 'billing' },
    breaker: 'billing',
  },
  {
    ...created,
    ...inTheWay,
    answer: 'no credits, as 400 inside 200',
    status: 200,
    body: envelope(400, { error_message: 'You do not have enough credits: insufficient credits.' }),
    means: { kind: 'billing' },
    breaker: 'billing',
  },
  {
    ...created,
    ...inTheWay,
    answer: 'a wrong key',
    status: 401,
    body: envelope(401, { error_message: 'Authentication failed' }),
    means: { kind: 'auth' },
    breaker: 'auth',
  },
  {
    ...created,
    ...inTheWay,
    answer: 'a forbidden account',
    status: 403,
    body: envelope(403, { error_message: 'Forbidden' }),
    means: { kind: 'auth' },
    breaker: 'auth',
  },
  {
    ...created,
    ...inTheWay,
    answer: 'too many requests',
    status: 429,
    headers: { ...json, 'Retry-After': '7' },
    body: envelope(429),
    means: { kind: 'rate_limited' },
    breaker: 'throttled',
  },
  {
    ...created,
    ...inTheWay,
    answer: 'a failure of its own',
    status: 500,
    body: envelope(500),
    means: { kind: 'overloaded' },
    breaker: 'failure',
  },
  {
    ...created,
    ...inTheWay,
    answer: 'a page with 200',
    status: 200,
    headers: { 'Content-Type': 'text/html' },
    body: '<html>maintenance</html>',
    means: { kind: 'bad_response' },
    breaker: 'failure',
  },
  {
    ...created,
    ...inTheWay,
    answer: 'a production without an id',
    status: 200,
    body: envelope(200, { data: { status: 10 } }),
    means: { kind: 'unusable' },
    breaker: 'ignored',
  },

  // Where a production stands.
  {
    ...read,
    answer: 'status 9: incomplete',
    body: production({ status: 9, status_string: 'Incomplete' }),
    means: { state: 'new' },
  },
  {
    ...read,
    answer: 'status 10 as text: not started',
    body: production({ status: '10', start_allowed: true }),
    means: { state: 'new' },
  },
  ...[0, 1, 4, 5, 6, 7, 8, 12, 13, 14].map((status) => ({
    ...read,
    answer: `status ${status}: at work`,
    body: production({ status }),
    means: { state: 'working' } as const,
  })),
  {
    ...read,
    answer: 'no status but its words',
    body: production({ status_string: 'Audio Encoding' }),
    means: { state: 'working' },
  },
  {
    ...read,
    answer: 'a status that nobody knows',
    body: production({ status: 99, status_string: 'Dreaming' }),
    means: { state: 'working' },
  },
  {
    ...read,
    answer: 'status 11: outdated',
    body: production({ status: 11, status_string: 'Outdated' }),
    means: { reason: 'ended' },
  },
  {
    ...read,
    answer: 'status 15: changed in the web page',
    body: production({ status: 15, status_string: 'Production Changed' }),
    means: { reason: 'ended' },
  },
  failed('Error without a reason', null),
  failed('Error with a reason that nobody knows', 'Audio Encoding failed (format mp3)'),
  { ...failed('Error for want of credits', 'Not enough credits'), breaker: 'billing' },
  failed('Error about a file that is called after credits', 'Could not read "Not enough credits.mp3"'),
  {
    ...read,
    answer: 'Error about the recording',
    body: production({ status: 2, error_message: 'The file does not contain any audio' }),
    means: { reason: 'not_audio' },
  },
  {
    ...read,
    answer: 'a production that is gone',
    status: 404,
    body: envelope(404, { error_message: 'Production not found' }),
    means: { reason: 'ended' },
    breaker: 'ignored',
  },
  {
    ...read,
    answer: 'a production that is gone, inside 200',
    body: envelope(404),
    means: { reason: 'ended' },
    breaker: 'ignored',
  },
  {
    ...read,
    answer: 'done without its file',
    body: production({ status: 3, output_files: [] }),
    means: { kind: 'unusable' },
    charged: true,
    breaker: 'ignored',
  },
  {
    ...read,
    answer: 'done, with a length of null',
    body: production({
      status: 3,
      length: null,
      output_files: [{ format: 'mp3', size: '12', download_url: 'http://127.0.0.1:1/x' }],
    }),
    means: { state: 'done' },
    charged: true,
  },

  // Starting it.
  {
    to: 'start',
    ...refused,
    answer: 'a start that is refused',
    status: 400,
    headers: json,
    body: envelope(400, { error_message: 'Production cannot be started in its current state' }),
    means: { kind: 'invalid_input' },
  },
  {
    to: 'start',
    ...refused,
    answer: 'a start of what is gone',
    status: 404,
    headers: json,
    body: envelope(404),
    means: { reason: 'ended' },
  },
  {
    to: 'start',
    ...inTheWay,
    answer: 'a start without credits',
    status: 400,
    body: envelope(400, { error_message: 'Not enough credits to start this production' }),
    means: { kind: 'billing' },
    breaker: 'billing',
  },

  // What it made: 11 s were expected.
  {
    ...fetched,
    answer: 'the sound',
    headers: { 'Content-Type': 'audio/mpeg' },
    body: SOUND,
    means: { state: 'done' },
    breaker: 'success',
  },
  {
    ...fetched,
    answer: 'a sound of 0 bytes',
    headers: { 'Content-Type': 'audio/mpeg' },
    body: '',
    means: { kind: 'unusable' },
    breaker: 'success',
  },
  {
    ...fetched,
    answer: 'a page with 200',
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: '<html>Please log in</html>',
    means: { kind: 'unusable' },
    breaker: 'success',
  },
  {
    ...fetched,
    answer: 'a page that calls itself sound',
    headers: { 'Content-Type': 'audio/mpeg' },
    body: `<html>${'Please log in '.repeat(10_000)}</html>`,
    means: { kind: 'unusable' },
    breaker: 'success',
  },
  {
    ...fetched,
    answer: 'a sound that is cut short',
    headers: { 'Content-Type': 'audio/mpeg' },
    body: SOUND,
    cutAfterBytes: SOUND.length / 2,
    means: { kind: 'unusable' },
    breaker: 'success',
  },
  {
    ...fetched,
    answer: 'half a sound, well ended',
    headers: { 'Content-Type': 'audio/mpeg' },
    body: SOUND.subarray(0, SOUND.length / 2),
    means: { kind: 'unusable' },
    breaker: 'success',
  },
  {
    ...fetched,
    answer: 'a link that has expired',
    status: 403,
    headers: { 'Content-Type': 'application/xml' },
    body: '<Error/>',
    means: { kind: 'unusable' },
    breaker: 'ignored',
  },
]

/** Of what is fetched in the rows above. */
export const EXPECTED_SECONDS = SECONDS
