import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { GoogleGenAI } from '@google/genai'
import type {
  Content,
  FinishReason,
  GenerateContentConfig,
  GenerateContentResponse,
  GenerationConfig,
  Model,
  SafetySetting,
} from '@google/genai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type * as z from 'zod'

import { Faults } from '../../../infra/local/faults.ts'
import { Journal } from '../../../infra/local/journal.ts'
import type { blockedPrompt, generate } from '../../../infra/local/providers/gemini/answer.ts'
import type { describeModel } from '../../../infra/local/providers/gemini/models.ts'
import type { GenerateRequest } from '../../../infra/local/providers/gemini/request.ts'
import { WorkLog } from '../../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../../infra/local/providers/stand-ins.ts'
import { notesRequest } from '../../../shared/providers/gemini/request.ts'
import { gemini } from '../../../shared/providers/gemini/provider.ts'
import { ProviderError } from '../../../shared/providers/provider-error.ts'
import { accountAt, CALL, KEY, makePort } from './provider-fixtures.ts'

/*
 * What we send and what the stand-in answers, against the types of the official SDK: an SDK that has changed shows here,
 * at compile time.
 */

/** A type of the SDK as it is in JSON, where an enumeration is its text. */
type Wire<T> = T extends string
  ? `${T}`
  : T extends readonly (infer Item)[]
    ? readonly Wire<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Wire<T[Key]> }
      : T
/** The fields of `Ours` that `Theirs` does not have. */
type Unknown<Ours, Theirs> = Exclude<keyof NonNullable<Ours>, keyof NonNullable<Theirs>>

/** Compiles only when there is none. */
type None<Fields extends never> = Fields

type SentRequest = ReturnType<typeof notesRequest>
type WireRequest = {
  readonly contents: readonly Wire<Content>[]
  readonly systemInstruction?: Wire<Content>
  readonly generationConfig?: Wire<GenerationConfig>
}
/** Compiles only when the SDK takes what we send, and knows every field of it. */
const sent = (request: SentRequest): WireRequest => request
type SentConfig = SentRequest['generationConfig']
const unknownFields: [
  None<Unknown<SentRequest, WireRequest>>,
  None<Unknown<SentConfig, GenerationConfig>>,
  None<Unknown<SentConfig, GenerateContentConfig>>,
  None<Unknown<SentConfig['thinkingConfig'], GenerationConfig['thinkingConfig']>>,
  None<Unknown<z.infer<typeof GenerateRequest>['generationConfig'], GenerationConfig>>,
  None<Unknown<NonNullable<z.infer<typeof GenerateRequest>['safetySettings']>[number], SafetySetting>>,
  None<Unknown<Answered['usageMetadata'], GenerateContentResponse['usageMetadata']>>,
  None<Unknown<Answered['candidates'][number], NonNullable<GenerateContentResponse['candidates']>[number]>>,
  None<Unknown<Answered, GenerateContentResponse>>,
][] = []

type Answered = ReturnType<typeof generate>
type WireResponse = Wire<
  Pick<GenerateContentResponse, 'candidates' | 'promptFeedback' | 'usageMetadata' | 'modelVersion' | 'responseId'>
>
/** Compile only when the stand-in answers what the SDK says that Gemini does. */
const answered = (answer: Answered): WireResponse => answer
const blockedAnswer = (answer: ReturnType<typeof blockedPrompt>): WireResponse => answer
type DescribedModel = Omit<ReturnType<typeof describeModel>, 'supportedGenerationMethods'>
const described = (model: DescribedModel): Model => model
/** Every end that we tell apart is one that the SDK knows. */
const finishes: readonly `${FinishReason}`[] = [
  'STOP',
  'MAX_TOKENS',
  'SAFETY',
  'RECITATION',
  'LANGUAGE',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
]

const MATERIAL = {
  title: 'T',
  language: 'en',
  durationSeconds: 5,
  passages: [{ startSeconds: 0, text: 'Hello there, today we talk about lighthouses.' }],
}

/** Keeps what it was sent. */
let recorder: Server
let recorderUrl: string
let received: { path: string; body: unknown }[] = []
const journal = new Journal()
const { api } = STAND_INS.gemini.makeServers(
  { faults: new Faults(), journal, apiKey: KEY, pace: { factor: 0 } },
  new WorkLog(),
)

beforeAll(async () => {
  await api.start()
  recorder = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      received.push({ path: request.url ?? '', body: JSON.parse(text) as unknown })
      const parts = [{ text: '{"title": "x"}' }]
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ candidates: [{ content: { parts }, finishReason: 'STOP' }] }))
    })
  })
  await new Promise<void>((resolve) => recorder.listen(0, '127.0.0.1', resolve))
  recorderUrl = `http://127.0.0.1:${(recorder.address() as AddressInfo).port}`
})
afterAll(async () => {
  await api.stop()
  recorder.closeAllConnections()
  recorder.close()
})

const writerAt = (url: string, settings = {}) => makePort('writers', accountAt('gemini', url, settings))

describe('the official SDK', () => {
  test('knows everything that we send and that the stand-in answers', () => {
    // What counts here was decided by the compiler.
    expect(unknownFields).toEqual([])
    expect([sent, answered, blockedAnswer, described].every((check) => typeof check === 'function')).toBe(true)
    expect(new Set(finishes).size).toBe(finishes.length)
  })

  test('sends just what we do, to the same address', async () => {
    received = []
    await (await writerAt(recorderUrl)).writeNotes(MATERIAL, CALL)
    const { systemInstruction, contents, generationConfig } = notesRequest(MATERIAL, { GEMINI_THINKING: 'low' })
    const client = new GoogleGenAI({ apiKey: KEY, apiVersion: 'v1beta', httpOptions: { baseUrl: recorderUrl } })
    const config = { ...generationConfig, systemInstruction } as GenerateContentConfig
    await client.models.generateContent({ model: 'gemini-3.8-flash', contents, config })
    expect(received).toHaveLength(2)
    expect(received[0]).toEqual(received[1])
  })
})

describe('the settings', () => {
  test('say which model is asked, by which version, and how much it thinks', async () => {
    received = []
    const settings = { GEMINI_MODEL: 'gemini-4-argon', GEMINI_API_VERSION: 'v1', GEMINI_THINKING: 'minimal' }
    await (await writerAt(recorderUrl, settings)).writeNotes(MATERIAL, CALL)
    await (await writerAt(recorderUrl, { GEMINI_THINKING: 'default' })).writeNotes(MATERIAL, CALL)
    expect(received[0]).toMatchObject({
      path: '/v1/models/gemini-4-argon:generateContent',
      body: { generationConfig: { thinkingConfig: { thinkingLevel: 'MINIMAL' } } },
    })
    expect(JSON.stringify(received[1])).not.toContain('thinking')
    expect(JSON.stringify(received)).not.toMatch(/minItems|maxItems/)
  })

  test('that change the notes change what they are kept under, and no other does', async () => {
    const versionOf = async (settings: Record<string, string>) => (await writerAt(recorderUrl, settings)).version
    const version = await versionOf({})
    expect(version).toMatch(/^gemini-3\.8-flash\.low\.[0-9a-f]{8}$/)
    expect(await versionOf({ GEMINI_MODEL: 'gemini-3.7-flash' })).not.toBe(version)
    expect(await versionOf({ GEMINI_THINKING: 'high' })).not.toBe(version)
    expect(await versionOf({ GEMINI_API_VERSION: 'v1' })).toBe(version)
  })

  test.each([
    ['GEMINI_MODEL', 'models/x'],
    ['GEMINI_MODEL', '../v1/files'],
    ['GEMINI_API_VERSION', 'beta'],
    ['GEMINI_THINKING', 'much'],
  ])('refuse %s=%s', (name, value) => {
    expect(() => accountAt('gemini', recorderUrl, { [name]: value })).toThrow(name)
  })
})

describe('the check of the account', () => {
  const check = (settings: Record<string, string>) =>
    gemini.check(accountAt('gemini', api.origin, settings), new AbortController().signal)

  test('asks for the model that is configured, and says that it is gone', async () => {
    expect(await check({ GEMINI_MODEL: 'gemini-3.5-flash' })).toBeUndefined()
    const thrown: unknown = await check({ GEMINI_MODEL: 'gemini-2.5-flash' }).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(ProviderError)
    expect(thrown).toMatchObject({ kind: 'misconfigured', status: 404 })
    expect(String(thrown)).toContain('models/gemini-2.5-flash is not found for API version v1beta')
  })
})

describe('the stand-in and the client', () => {
  test('understand each other with every level of thinking that the model takes', async () => {
    for (const GEMINI_THINKING of ['default', 'low', 'medium', 'high'])
      expect((await (await writerAt(api.origin, { GEMINI_THINKING })).writeNotes(MATERIAL, CALL)).notes.title).toBe(
        'Hello there, today we talk about lighthouses.',
      )
    const refusal = await (
      await writerAt(api.origin, { GEMINI_THINKING: 'minimal' })
    )
      .writeNotes(MATERIAL, CALL)
      .catch((error: unknown) => error)
    expect(refusal).toMatchObject({ kind: 'misconfigured', canPass: true })
  })

  test('agree that a transcript can be too long', async () => {
    const passages = [{ startSeconds: 0, text: 'word '.repeat(900_000) }]
    const refusal = await (
      await writerAt(api.origin)
    )
      .writeNotes({ ...MATERIAL, passages }, CALL)
      .catch((error: unknown) => error)
    expect(refusal).toMatchObject({ kind: 'invalid_input', canPass: false })
  })
})
