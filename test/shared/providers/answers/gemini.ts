import type { ServerResponse } from 'node:http'

import type { ProviderErrorKind } from '../../../../shared/providers/provider-error.ts'

/** What the service does with a request: answers, or not. */
export type Stage = { readonly status: number; readonly body: unknown } | 'reset' | 'silence' | 'cut'

/** `slowly`: by then whoever may go on without the provider has waited long enough. */
export type Lost = 'no' | 'quickly' | 'slowly'

/** One kind of answer, and what a call makes of it. */
export type AnswerRow = {
  /** What is answered, in words. */
  readonly answer: string
  readonly stage: Stage
  /** `used`: what was asked for is in it. */
  readonly kind: ProviderErrorKind | 'used'
  /** The same may be granted later. */
  readonly canPass: boolean
  /** What was charged is told, although the call failed. */
  readonly charged: boolean
  /** Nobody sees the end of the call, which may be charged; after how long that is known. */
  readonly lost: Lost
  /** What the provider's breaker makes of it. */
  readonly breaker: 'success' | 'failure' | 'ignored' | 'throttled' | 'auth' | 'billing' | 'misconfigured'
}

const NOTES = {
  title: 'A title',
  description: 'A description.',
  chapters: [{ startSeconds: 0, title: 'A chapter' }],
  tags: ['a tag'],
}
/** What every answer here was charged. */
export const USAGE = {
  promptTokenCount: 1200,
  cachedContentTokenCount: 1024,
  candidatesTokenCount: 200,
  thoughtsTokenCount: 90,
  totalTokenCount: 1490,
}

const ok = (body: object): Stage => ({ status: 200, body: { usageMetadata: USAGE, ...body } })
const candidate = (finishReason: string, parts?: unknown): Stage =>
  ok({ candidates: [{ index: 0, finishReason, ...(parts !== undefined && { content: { role: 'model', parts } }) }] })
const text = (answer: string, finishReason = 'STOP') => candidate(finishReason, [{ text: answer }])
const blocked = (blockReason: string) => ok({ promptFeedback: { blockReason } })
const refused = (status: number, name: string, message: string, details: unknown[] = []): Stage => ({
  status,
  body: { error: { code: status, message, status: name, details } },
})
const invalid = (message: string) => refused(400, 'INVALID_ARGUMENT', message)

const TYPES = 'type.googleapis.com/google.rpc.'
const retryIn = (retryDelay: string) => ({ '@type': `${TYPES}RetryInfo`, retryDelay })
const quota = (quotaId: string) => ({ '@type': `${TYPES}QuotaFailure`, violations: [{ quotaId }] })
const reason = (name: string) => ({ '@type': `${TYPES}ErrorInfo`, reason: name })

const whole = JSON.stringify(NOTES)
const row = (
  answer: string,
  stage: Stage,
  kind: AnswerRow['kind'],
  {
    canPass = false,
    charged = false,
    lost = 'no',
    breaker = 'ignored',
  }: Partial<Omit<AnswerRow, 'answer' | 'stage' | 'kind'>> = {},
): AnswerRow => ({ answer, stage, kind, canPass, charged, lost, breaker })

const used = (answer: string, stage: Stage) => row(answer, stage, 'used', { breaker: 'success' })
const useless = (answer: string, stage: Stage) => row(answer, stage, 'unusable', { charged: true })
const declined = (answer: string, stage: Stage) => row(answer, stage, 'content_blocked', { charged: true })
const ourMistake = (answer: string, stage: Stage) =>
  row(answer, stage, 'misconfigured', { canPass: true, breaker: 'misconfigured' })

/** What Gemini has been seen to answer, or says that it may; sources are in the facts of issue 14. */
export const GEMINI_ANSWERS: readonly AnswerRow[] = [
  used('notes', text(whole)),
  used('notes in a code fence', text(`\`\`\`json\n${whole}\n\`\`\``)),
  used('notes after a byte order mark', text(`\uFEFF${whole}`)),
  used(
    'notes after a thought',
    candidate('STOP', [
      { text: '{"title": "not the notes"}', thought: true },
      { text: whole, thoughtSignature: 'AA==' },
    ]),
  ),
  used('notes in two parts', candidate('STOP', [{ text: whole.slice(0, 20) }, { text: whole.slice(20) }])),
  used('notes with an empty tag and no chapter titles', text(whole.replace('a tag', '').replace('A chapter', ''))),
  used(
    'notes with a chapter at "00:00:00" and `tags: null`',
    text(whole.replace('0,', '"00:00:00",').replace(/\["a tag"\]/, 'null')),
  ),
  used('notes that MAX_TOKENS cut after the title', text(whole.slice(0, 40), 'MAX_TOKENS')),
  used('notes without usage or end', {
    status: 200,
    body: { candidates: [{ content: { parts: [{ text: whole }] } }] },
  }),
  used('notes that end for an unknown reason', text(whole, 'SOMETHING_NEW')),

  useless('MAX_TOKENS before anything was said', candidate('MAX_TOKENS')),
  useless('MAX_TOKENS within the title', text('{"title": "A ti', 'MAX_TOKENS')),
  useless('prose', text('I am sorry, I cannot help with that.')),
  useless('an empty object', text('{}')),
  useless('a thought and nothing else', candidate('STOP', [{ text: whole, thought: true }])),
  useless('no parts', candidate('STOP', [])),
  useless('no candidates', ok({ candidates: [] })),
  useless('nothing but usage', ok({})),
  useless('RECITATION', candidate('RECITATION')),
  useless('RECITATION in the middle of notes', text(whole, 'RECITATION')),
  useless('OTHER', candidate('OTHER')),
  useless('MALFORMED_RESPONSE', candidate('MALFORMED_RESPONSE')),
  useless('a block for no reason', blocked('BLOCK_REASON_UNSPECIFIED')),

  declined('a prompt blocked for SAFETY', blocked('SAFETY')),
  declined('a prompt blocked for PROHIBITED_CONTENT', blocked('PROHIBITED_CONTENT')),
  declined('a prompt blocked for BLOCKLIST', blocked('BLOCKLIST')),
  declined('a prompt blocked for OTHER', blocked('OTHER')),
  declined('SAFETY', candidate('SAFETY')),
  declined('PROHIBITED_CONTENT', candidate('PROHIBITED_CONTENT')),
  declined('BLOCKLIST', candidate('BLOCKLIST')),
  declined('SPII', candidate('SPII')),
  row('LANGUAGE', candidate('LANGUAGE'), 'invalid_input', { charged: true }),

  ourMistake(
    'a retired model',
    refused(404, 'NOT_FOUND', 'This model models/gemini-2.5-flash is no longer available. Please use a newer model.'),
  ),
  ourMistake('no such endpoint', { status: 404, body: '<html>Error 404 (Not Found)!!1</html>' }),
  ourMistake(
    'an unknown field',
    invalid('Invalid JSON payload received. Unknown name "systemInstruction": Cannot find field.'),
  ),
  ourMistake(
    'an unknown value',
    invalid('Invalid value at \'generation_config.thinking_config.thinking_level\' (x), "XL"'),
  ),
  ourMistake(
    'a level of thinking that the model lacks',
    invalid('Thinking level MINIMAL is not supported for this model.'),
  ),
  ourMistake('a mode that the model lacks', invalid('JSON mode is not enabled for models/gemini-x')),
  ourMistake(
    'a schema that is too much',
    invalid('The specified schema produces a constraint that has too many states for serving.'),
  ),
  ourMistake(
    'a model that is not for us',
    refused(403, 'PERMISSION_DENIED', 'You do not have permission to access the model models/x.'),
  ),

  row(
    'too many tokens',
    invalid('The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).'),
    'invalid_input',
  ),
  row('a bare 400', invalid('Request contains an invalid argument.'), 'invalid_input', { canPass: true }),
  row('413', { status: 413, body: 'Payload Too Large' }, 'invalid_input'),

  row(
    'a wrong key',
    refused(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [reason('API_KEY_INVALID')]),
    'auth',
    { breaker: 'auth' },
  ),
  row('401', refused(401, 'UNAUTHENTICATED', 'Invalid credentials.'), 'auth', { breaker: 'auth' }),
  row(
    'an API that is not enabled',
    refused(
      403,
      'PERMISSION_DENIED',
      'Generative Language API has not been used in project 1 before or it is disabled.',
      [reason('SERVICE_DISABLED')],
    ),
    'auth',
    { breaker: 'auth' },
  ),
  row('a key that leaked', refused(403, 'PERMISSION_DENIED', 'Your API key was reported as leaked.'), 'auth', {
    breaker: 'auth',
  }),
  row(
    'a region without a free tier',
    refused(
      400,
      'FAILED_PRECONDITION',
      'User location is not supported for the API use without a billing account linked.',
    ),
    'billing',
    { breaker: 'billing' },
  ),
  row(
    'billing that is disabled',
    refused(403, 'PERMISSION_DENIED', 'Enable billing.', [reason('BILLING_DISABLED')]),
    'billing',
    {
      breaker: 'billing',
    },
  ),
  row(
    'a plan without the model',
    refused(
      429,
      'RESOURCE_EXHAUSTED',
      'You exceeded your current quota. * Quota exceeded for metric: x, limit: 0, model: y',
    ),
    'billing',
    { breaker: 'billing' },
  ),

  row('429', refused(429, 'RESOURCE_EXHAUSTED', 'Resource has been exhausted (e.g. check quota).'), 'rate_limited'),
  row(
    '429 with a delay',
    refused(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota.', [
      quota('GenerateRequestsPerMinutePerProjectPerModel'),
      retryIn('34.07s'),
    ]),
    'rate_limited',
    { breaker: 'throttled' },
  ),
  row(
    "429 of a day's quota",
    refused(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota.', [
      quota('GenerateRequestsPerDayPerProjectPerModel'),
      retryIn('12s'),
    ]),
    'rate_limited',
    { breaker: 'throttled' },
  ),
  row('499 CANCELLED', refused(499, 'CANCELLED', 'The operation was cancelled.'), 'overloaded', { breaker: 'failure' }),
  row('500', refused(500, 'INTERNAL', 'An internal error has occurred.'), 'overloaded', { breaker: 'failure' }),
  row('502 as a page', { status: 502, body: '<html>Bad Gateway</html>' }, 'overloaded', { breaker: 'failure' }),
  row('503', refused(503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.'), 'overloaded', {
    breaker: 'failure',
  }),
  row('503 with a delay', refused(503, 'UNAVAILABLE', 'Overloaded.', [retryIn('7s')]), 'overloaded', {
    breaker: 'throttled',
  }),
  row('408', refused(408, 'DEADLINE_EXCEEDED', 'Deadline expired.'), 'timeout', {
    lost: 'quickly',
    breaker: 'failure',
  }),
  row('504', refused(504, 'DEADLINE_EXCEEDED', 'Deadline expired.'), 'overloaded', {
    lost: 'quickly',
    breaker: 'failure',
  }),
  row('a page with 200', { status: 200, body: '<html>Sign in to the Wi-Fi</html>' }, 'bad_response', {
    breaker: 'failure',
  }),
  row('an answer that ends in the middle', 'cut', 'network', { lost: 'quickly', breaker: 'failure' }),
  row('a reset', 'reset', 'network', { lost: 'quickly', breaker: 'failure' }),
  row('silence', 'silence', 'timeout', { lost: 'slowly', breaker: 'failure' }),
]

/** Gives that answer, or does not. */
export function play(what: Stage, response: ServerResponse): void {
  if (what === 'silence') return
  if (what === 'reset') return void response.socket?.resetAndDestroy()
  if (what === 'cut') {
    response.writeHead(200, { 'Content-Length': 100 }).write('{"candidates"')
    return void setTimeout(() => response.destroy(), 20)
  }
  const body = typeof what.body === 'string' ? what.body : JSON.stringify(what.body)
  response.writeHead(what.status).end(body)
}
