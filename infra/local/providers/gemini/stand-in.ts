import { createHash } from 'node:crypto'

import { HttpService, ReplyError } from '../../http-service.ts'
import type { LocalRequest, Reply, Route } from '../../http-service.ts'
import { STAND_IN_NOTICE, wait } from '../stand-in.ts'
import type { StandIn, StandInOptions, WorkLog } from '../stand-in.ts'
import { blockedPrompt, generate } from './answer.ts'
import { describeModel, levelsOf, modelNotFound, MODELS } from './models.ts'
import { BAD_KEY, refuse, refuseRequest } from './refusals.ts'
import { readCount, readGenerate } from './request.ts'
import type { Asked } from './request.ts'

/** 2 to 30 s in reality, the more the longer the transcript. */
const LATENCY_MS = { base: 3000, perThousandCharacters: 100 }
const PREFIX = String.raw`/(v1|v1beta|v1beta1/projects/[^/]+/locations/[^/]+/publishers/google)/models`

/**
 * Gemini's models by the developer API's and Vertex's paths, as strict as its definition: fields and values that it does
 * not know are refused. Whether v1 takes what v1beta takes is not known for sure; here it does, as the SDK has it.
 */
export const gemini: StandIn = {
  basePath: '',
  makeServers: (options, work) => ({ api: makeApi(options, work), behind: [] }),
}

function makeApi(options: StandInOptions, work: WorkLog): HttpService {
  const cache = new ImplicitCache()
  const answer = async (request: LocalRequest, model: string): Promise<Reply> => {
    const asked = readGenerate(await request.json(), model)
    const startedAtMs = Date.now()
    const { base, perThousandCharacters } = LATENCY_MS
    await wait((base + (asked.prompt.length / 1000) * perThousandCharacters) * options.pace.factor)
    const isBlocked = request.fault?.mode === 'blocked'
    const json = isBlocked ? blockedPrompt(model, asked) : generate(model, asked, cache.read(model, asked))
    work.record('gemini', String(request.headers['x-correlation-id'] ?? ''), startedAtMs, billOf(json.usageMetadata))
    return { status: 200, json }
  }
  const calls: Route[] = [
    {
      method: 'POST',
      path: new RegExp(`^${PREFIX}/([^/:]+):(generateContent|countTokens)$`),
      handle: async (request) => {
        const model = requireModel(request)
        if (request.params[2] === 'generateContent') return answer(request, model)
        const totalTokens = readCount(await request.json())
        return {
          status: 200,
          json: { totalTokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: totalTokens }] },
        }
      },
    },
    {
      method: 'GET',
      path: new RegExp(`^${PREFIX}/([^/:]+)$`),
      handle: (request) => ({ status: 200, json: describeModel(requireModel(request)) }),
    },
    { method: 'GET', path: new RegExp(`^${PREFIX}$`), handle: ({ url }) => ({ status: 200, json: listModels(url) }) },
  ]
  const routes = [...calls, ...MISSING].map((route) => ({
    ...route,
    handle: (request: LocalRequest) => {
      requireKey(request, options.apiKey)
      return route.handle(request)
    },
  }))
  return new HttpService({ ...options, target: 'gemini', routes, refuse: (status, headers) => refuse(status, headers) })
}

/** What Google bills for: thinking is output. */
function billOf({
  promptTokenCount: inputTokens,
  cachedContentTokenCount: cachedInputTokens = 0,
  candidatesTokenCount: answerTokens = 0,
  thoughtsTokenCount: thoughtTokens = 0,
}: ReturnType<typeof generate>['usageMetadata']) {
  return { calls: 1, inputTokens, cachedInputTokens, outputTokens: answerTokens + thoughtTokens }
}

/** Whatever else there may be at Gemini is not played here, and says so. */
const MISSING: readonly Route[] = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'].map((method) => ({
  method,
  path: /^\//,
  handle: ({ url }) =>
    refuse(404, {}, `There is no ${method} ${url.pathname} in the Gemini that was ${STAND_IN_NOTICE}.`),
}))

function requireModel({ params }: LocalRequest): string {
  const [version = '', model = ''] = params
  if (levelsOf(model) !== undefined) return model
  throw new ReplyError(refuse(404, {}, modelNotFound(model, version.replace(/\/.*/, ''))))
}

const PAGE_SIZE = { default: 50, max: 1000 }

function listModels(url: URL) {
  const size = Number(url.searchParams.get('pageSize') ?? PAGE_SIZE.default)
  const from = Number(url.searchParams.get('pageToken') ?? 0)
  if (!Number.isInteger(size) || size < 0) refuseRequest('page_size must be non-negative.')
  if (!Number.isInteger(from) || from < 0) refuseRequest('Invalid page token.')
  const end = from + Math.min(size || PAGE_SIZE.default, PAGE_SIZE.max)
  const models = MODELS.slice(from, end).map(describeModel)
  return { models, ...(end < MODELS.length && { nextPageToken: String(end) }) }
}

const CACHED_TOKENS_MIN = 1024
const PROMPTS_MAX = 200

/** A long prompt that comes again is cheaper, and its usage says by how much. */
class ImplicitCache {
  readonly #seen = new Set<string>()

  /** How many tokens of a prompt were read before. */
  read(model: string, { prompt, promptTokens }: Asked): number {
    if (promptTokens < CACHED_TOKENS_MIN) return 0
    const key = createHash('sha256').update(`${model}\n${prompt}`).digest('base64')
    if (this.#seen.has(key)) return promptTokens - (promptTokens % CACHED_TOKENS_MIN)
    if (this.#seen.size >= PROMPTS_MAX) this.#seen.clear()
    this.#seen.add(key)
    return 0
  }
}

function requireKey({ headers, url }: LocalRequest, apiKey: string): void {
  const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
  const given = headers['x-goog-api-key'] ?? bearer ?? url.searchParams.get('key') ?? undefined
  if (given === apiKey) return
  if (given !== undefined)
    throw new ReplyError(refuse(400, {}, 'API key not valid. Please pass a valid API key.', BAD_KEY))
  const message =
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key."
  throw new ReplyError(refuse(403, {}, message))
}
