import { GoogleGenAI, ThinkingLevel } from '@google/genai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { Journal } from '../../infra/local/journal.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'

/** Gemini's stand-in refuses what Gemini does, as Gemini does. */
const KEY = 'stand-in-key'
const MODEL = 'gemini-3.8-flash'
const faults = new Faults()
const options = { faults, journal: new Journal(), apiKey: KEY, pace: { factor: 0 } }
const { api } = STAND_INS.gemini.makeServers(options, new WorkLog())

beforeAll(async () => {
  await api.start()
})
afterAll(() => api.stop())
afterEach(() => faults.clear())

const client = () => new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: api.origin } })

type Answer = { error?: { code: number; message: string; status: string; details?: unknown }; [key: string]: unknown }

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${api.origin}${path}`, {
    method,
    headers: { 'x-goog-api-key': KEY, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, answer: (await response.json()) as Answer }
}

const contents = [{ role: 'user', parts: [{ text: 'Hello.' }] }]
const generate = (body: unknown, version = 'v1beta') =>
  send('POST', `/${version}/models/${MODEL}:generateContent`, body)
const withConfig = (generationConfig: unknown) => generate({ contents, generationConfig })
const withSchema = (responseJsonSchema: unknown) =>
  withConfig({ responseMimeType: 'application/json', responseJsonSchema })

async function refusal(answering: ReturnType<typeof send>): Promise<string> {
  const { status, answer } = await answering
  expect([status, answer.error?.status]).toEqual([400, 'INVALID_ARGUMENT'])
  return answer.error?.message ?? ''
}

describe('a request', () => {
  test.each([
    [{ contents, sytemInstruction: {} }, 'Unknown name "sytemInstruction": Cannot find field.'],
    [{ contents, generationConfig: { maxTokens: 5 } }, `Unknown name "maxTokens" at 'generation_config'`],
    [{ contents: [{ parts: [{ txt: 'x' }] }] }, `Unknown name "txt" at 'contents[0].parts[0]'`],
    [
      { contents, generationConfig: { thinkingConfig: { level: 'LOW' } } },
      `Unknown name "level" at 'generation_config.thinking_config'`,
    ],
    [{ contents: [{ parts: [{ text: 5 }] }] }, `Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5`],
    [
      { contents, generationConfig: { thinkingConfig: { thinkingLevel: 'EXTREME' } } },
      `Invalid value at 'generation_config.thinking_config.thinking_level'`,
    ],
    [
      { contents, safetySettings: [{ category: 'X', threshold: 'OFF' }] },
      `Invalid value at 'safety_settings[0].category'`,
    ],
    [{ contents, generationConfig: { temperature: 3 } }, 'temperature value of 3'],
    [{ contents, generationConfig: { maxOutputTokens: 0 } }, 'maxOutputTokens value of 0'],
    [{ contents, generationConfig: { maxOutputTokens: 65_537 } }, 'maxOutputTokens value of 65537'],
    [{ contents, generationConfig: { responseMimeType: 'text/html' } }, 'allowed mimetypes are'],
    [{}, 'contents is not specified'],
    [{ contents: [] }, 'contents is not specified'],
    [{ contents: [{ role: 'user' }] }, 'contents.parts must not be empty'],
    [{ contents: [{ parts: [{}] }] }, "required oneof field 'data'"],
    [{ contents: [{ role: 'system', parts: [{ text: 'x' }] }] }, 'Please use a valid role'],
    [{ contents, tools: [] }, 'tools is not in what was made by a Steadycast stand-in'],
    [[], "Invalid value at ''"],
  ])('is refused for what is wrong in it: %j', async (body, message) => {
    expect(await refusal(generate(body))).toContain(message)
  })

  test('of too many tokens is refused', async () => {
    const long = [{ parts: [{ text: 'word'.repeat(1_048_577) }] }]
    expect(await refusal(generate({ contents: long }))).toBe(
      'The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).',
    )
  })

  test('is taken by either version, and by no other', async () => {
    const body = { contents, systemInstruction: { parts: [{ text: 'Be brief.' }] } }
    expect((await generate(body, 'v1')).status).toBe(200)
    expect((await generate(body, 'v1beta')).status).toBe(200)
    expect((await generate(body, 'v2')).status).toBe(404)
  })

  test('without a key is refused otherwise than one with a wrong key', async () => {
    const path = `/v1beta/models/${MODEL}`
    expect((await send('GET', path, undefined, { 'x-goog-api-key': 'wrong' })).answer.error).toMatchObject({
      status: 'INVALID_ARGUMENT',
      details: [{ reason: 'API_KEY_INVALID' }],
    })
    expect((await fetch(`${api.origin}${path}`)).status).toBe(403)
    expect((await fetch(`${api.origin}${path}?key=${KEY}`)).status).toBe(200)
  })
})

describe('a schema', () => {
  const list = (items: unknown, more = {}) => ({ type: 'array', items, ...more })
  const item = { type: 'object', properties: { title: { type: 'string' } } }

  test.each([
    [{ type: 'string', minLength: 1 }, 'minLength'],
    [{ type: 'string', pattern: '.' }, 'pattern'],
    [{ allOf: [] }, 'allOf'],
    [{ type: 'text' }, 'response_json_schema.type'],
    [{ type: 'array' }, 'items: missing field'],
    [{ type: 'object', properties: {}, required: ['title'] }, 'required[0]: property is not defined'],
  ])('is refused for what Gemini does not take: %j', async (schema, message) => {
    expect(await refusal(withSchema(schema))).toContain(message)
  })

  test('with bounds on a list of objects is refused without a reason', async () => {
    for (const bounds of [{ minItems: 1 }, { maxItems: 20 }])
      expect(await refusal(withSchema({ type: 'object', properties: { chapters: list(item, bounds) } }))).toBe(
        'Request contains an invalid argument.',
      )
    expect((await withSchema(list({ type: 'string' }, { minItems: 1 }))).status).toBe(200)
    expect((await withSchema(list(item))).status).toBe(200)
  })

  test('of its own dialect is taken, and neither without JSON nor both at once', async () => {
    const responseSchema = { type: 'OBJECT', properties: { title: { type: 'STRING', maxLength: '9' } } }
    const responseMimeType = 'application/json'
    expect((await withConfig({ responseMimeType, responseSchema })).status).toBe(200)
    await refusal(withConfig({ responseSchema }))
    await refusal(withConfig({ responseMimeType, responseSchema, responseJsonSchema: item }))
    await refusal(withConfig({ responseMimeType, responseSchema: { type: 'OBJECT', oneOf: [] } }))
  })
})

describe('thinking', () => {
  const ask = async (config: object) => client().models.generateContent({ model: MODEL, contents: 'x', config })

  test('is charged, the more the harder, and the default is not the least', async () => {
    const thoughts = async (thinkingLevel?: ThinkingLevel) =>
      (await ask(thinkingLevel === undefined ? {} : { thinkingConfig: { thinkingLevel } })).usageMetadata
        ?.thoughtsTokenCount ?? 0
    const low = await thoughts(ThinkingLevel.LOW)
    expect(low).toBeGreaterThan(0)
    expect(await thoughts()).toBe(await thoughts(ThinkingLevel.MEDIUM))
    expect(await thoughts()).toBeGreaterThan(low)
    await expect(thoughts(ThinkingLevel.MINIMAL)).rejects.toThrow(/MINIMAL is not supported for this model/)
  })

  test('comes out of the same budget, and may leave nothing to be said', async () => {
    const { candidates, usageMetadata } = await ask({ maxOutputTokens: 50 })
    expect(candidates?.[0]?.finishReason).toBe('MAX_TOKENS')
    expect(candidates?.[0]?.content?.parts).toBeUndefined()
    expect(usageMetadata).toMatchObject({ thoughtsTokenCount: 50, candidatesTokenCount: 0 })
  })

  test('is shown as a part of its own to who asks for it', async () => {
    const answer = await ask({ thinkingConfig: { includeThoughts: true } })
    expect(answer.candidates?.[0]?.content?.parts?.map(({ thought }) => thought === true)).toEqual([true, false])
    expect(answer.text).not.toContain('not the notes')
  })
})

describe('charges', () => {
  test('are less for a long prompt that comes again', async () => {
    const cached = async (prompt: string) =>
      (await client().models.generateContent({ model: MODEL, contents: prompt })).usageMetadata?.cachedContentTokenCount
    expect([await cached('long '.repeat(2000)), await cached('long '.repeat(2000))]).toEqual([undefined, 2048])
    expect([await cached('short'), await cached('short')]).toEqual([undefined, undefined])
  })

  test('come with what is blocked', async () => {
    await faults.set('gemini', { mode: 'blocked' })
    const { usageMetadata } = await client().models.generateContent({ model: MODEL, contents: 'word '.repeat(40) })
    expect(usageMetadata?.promptTokenCount).toBe(50)
  })
})

describe('what there is', () => {
  test('is listed, in pages', async () => {
    const listed = []
    for await (const { name } of await client().models.list({ config: { pageSize: 2 } })) listed.push(name)
    expect(listed).toContain(`models/${MODEL}`)
    expect(new Set(listed).size).toBe(listed.length)
    expect(listed.length).toBeGreaterThan(4)
    expect((await client().models.get({ model: MODEL })).supportedActions).toContain('generateContent')
  })

  test('does not include retired models, in the words of Google', async () => {
    await expect(client().models.get({ model: 'gemini-2.5-flash' })).rejects.toThrow(
      /models\/gemini-2\.5-flash is not found for API version v1, or is not supported for generateContent/,
    )
  })

  test('does not include what is not played, and says so', async () => {
    await expect(client().caches.list()).rejects.toThrow(/There is no GET \/v1\w*\/cachedContents in the Gemini/)
    const { status, answer } = await send('POST', `/v1beta/models/${MODEL}:streamGenerateContent`, { contents })
    expect([status, answer.error?.message]).toEqual([404, expect.stringContaining('stand-in')])
  })

  test('fails in the words of Google', async () => {
    for (const [status, name] of [
      [404, 'NOT_FOUND'],
      [499, 'CANCELLED'],
      [500, 'INTERNAL'],
      [504, 'DEADLINE_EXCEEDED'],
    ] as const) {
      await faults.set('gemini', { mode: 'status', status })
      expect((await generate({ contents })).answer.error).toMatchObject({ code: status, status: name })
    }
  })
})
