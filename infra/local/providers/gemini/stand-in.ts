import { randomUUID } from 'node:crypto'

import * as z from 'zod'

import { HttpService, ReplyError } from '../../http-service.ts'
import type { LocalRequest, Reply, Route } from '../../http-service.ts'
import { answerSchema } from './json-schema.ts'
import type { AnswerSchema, Passage } from './json-schema.ts'
import { STAND_IN_NOTICE, wait } from '../stand-in.ts'
import type { StandIn, StandInOptions, WorkLog } from '../stand-in.ts'

const Part = z.looseObject({ text: z.string().optional() })
const Generate = z.looseObject({
  contents: z.array(z.looseObject({ parts: z.array(Part) })).nonempty(),
  generationConfig: z
    .looseObject({
      responseMimeType: z.string().optional(),
      responseSchema: z.unknown().optional(),
      responseJsonSchema: z.unknown().optional(),
      maxOutputTokens: z.number().optional(),
    })
    .optional(),
})

const MODELS = ['gemini-3.8-flash', 'gemini-3.7-flash', 'gemini-3.6-flash', 'gemini-3.5-flash', 'gemini-3.5-flash-lite']
/** 2 to 30 s in reality, the more the longer the transcript. */
const LATENCY_MS = { base: 3000, perThousandCharacters: 100 }
const CHARACTERS_PER_TOKEN = 4
const PREFIX = String.raw`/(?:v1|v1beta|v1beta1/projects/[^/]+/locations/[^/]+/publishers/google)/models/`

/** Gemini's generateContent, by the developer API's and Vertex's paths. */
export const gemini: StandIn = {
  basePath: '',
  makeServers: (options, work) => ({ api: makeApi(options, work), behind: [] }),
}

function makeApi(options: StandInOptions, work: WorkLog): HttpService {
  const routes: Route[] = [
    {
      method: 'POST',
      path: new RegExp(`^${PREFIX}([^/:]+):(generateContent|countTokens)$`),
      handle: async (request) => {
        requireKey(request, options.apiKey)
        const [model = '', operation] = request.params
        if (!MODELS.includes(model)) return refuse(404, {}, `models/${model} is not found`)
        const parsed = Generate.safeParse(await request.json())
        if (!parsed.success) return refuse(400, {}, 'Invalid JSON payload received.')
        const prompt = parsed.data.contents.flatMap(({ parts }) => parts.map(({ text }) => text ?? '')).join('\n')
        if (operation === 'countTokens') return { status: 200, json: { totalTokens: tokens(prompt) } }
        const startedAtMs = Date.now()
        await wait((LATENCY_MS.base + (prompt.length / 1000) * LATENCY_MS.perThousandCharacters) * options.pace.factor)
        work.record('gemini', String(request.headers['x-correlation-id'] ?? ''), startedAtMs)
        return {
          status: 200,
          json: generate(model, prompt, parsed.data.generationConfig ?? {}, request.fault?.mode === 'blocked'),
        }
      },
    },
    {
      method: 'GET',
      path: new RegExp(`^${PREFIX}([^/:]+)$`),
      handle: (request) => {
        requireKey(request, options.apiKey)
        const [model = ''] = request.params
        return MODELS.includes(model)
          ? { status: 200, json: modelOf(model) }
          : refuse(404, {}, `models/${model} is not found`)
      },
    },
    {
      method: 'GET',
      path: /^\/(?:v1|v1beta)\/models$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        return { status: 200, json: { models: MODELS.map(modelOf) } }
      },
    },
  ]
  return new HttpService({ ...options, target: 'gemini', routes, refuse: (status, headers) => refuse(status, headers) })
}

function generate(
  model: string,
  prompt: string,
  config: NonNullable<z.infer<typeof Generate>['generationConfig']>,
  blocked: boolean,
): unknown {
  const promptTokenCount = tokens(prompt)
  const common = { modelVersion: model, responseId: randomUUID() }
  if (blocked)
    return {
      ...common,
      promptFeedback: { blockReason: 'SAFETY' },
      usageMetadata: { promptTokenCount, totalTokenCount: promptTokenCount },
    }
  const schema = (config.responseJsonSchema ?? config.responseSchema) as AnswerSchema | undefined
  const whole = schema
    ? JSON.stringify(answerSchema(schema, passagesOf(prompt)))
    : `A text ${STAND_IN_NOTICE} for ${promptTokenCount} tokens.`
  const charactersMax = (config.maxOutputTokens ?? Infinity) * CHARACTERS_PER_TOKEN
  const text = whole.slice(0, charactersMax)
  const candidatesTokenCount = tokens(text)
  return {
    ...common,
    candidates: [
      {
        index: 0,
        content: { role: 'model', parts: [{ text }] },
        finishReason: text.length < whole.length ? 'MAX_TOKENS' : 'STOP',
      },
    ],
    usageMetadata: { promptTokenCount, candidatesTokenCount, totalTokenCount: promptTokenCount + candidatesTokenCount },
  }
}

/** The passages in a prompt that is our JSON, or the lines of one that is not. */
function passagesOf(prompt: string): Passage[] {
  try {
    const parsed = z
      .object({ passages: z.array(z.object({ startSeconds: z.number(), text: z.string() })) })
      .safeParse(JSON.parse(prompt))
    if (parsed.success) return parsed.data.passages
  } catch {
    // Not JSON: taken as plain text.
  }
  return prompt
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((text, index) => ({ startSeconds: index * 10, text }))
}

function modelOf(model: string): Record<string, unknown> {
  return {
    name: `models/${model}`,
    displayName: `${model} (${STAND_IN_NOTICE})`,
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: ['generateContent', 'countTokens'],
  }
}

function tokens(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN)
}

function requireKey(request: LocalRequest, apiKey: string): void {
  if (request.headers['x-goog-api-key'] === apiKey || request.headers.authorization === `Bearer ${apiKey}`) return
  const details = [
    { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' },
  ]
  throw new ReplyError(refuse(400, {}, 'API key not valid. Please pass a valid API key.', details))
}

const STATUS_NAMES: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  402: 'FAILED_PRECONDITION',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/** Google's error body; a wait is told in RetryInfo, never in a header. */
function refuse(
  status: number,
  headers: Record<string, string>,
  message = 'The model is overloaded. Please try again later.',
  details: unknown[] = [],
): Reply {
  const retryAfter = headers['Retry-After']
  const retryInfo =
    retryAfter === undefined
      ? []
      : [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfter}s` }]
  const error = {
    code: status,
    message,
    status: STATUS_NAMES[status] ?? 'INTERNAL',
    details: [...details, ...retryInfo],
  }
  return { status, json: { error } }
}
