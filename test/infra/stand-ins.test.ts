import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { ElevenLabsClient, ElevenLabsError } from '@elevenlabs/elevenlabs-js'
import { GoogleGenAI } from '@google/genai'
import { AssemblyAI } from 'assemblyai'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'

import { durationSeconds, measureLoudness } from '../../infra/local/audio/mastering.ts'
import { Faults } from '../../infra/local/faults.ts'
import type { HttpService } from '../../infra/local/http-service.ts'
import { Journal } from '../../infra/local/journal.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'

/** The stand-ins, driven by the providers' own SDKs: what those accept and complain about is what the real ones say. */
const FIXTURE = fileURLToPath(new URL('../fixtures/speech.flac', import.meta.url))
const KEY = 'stand-in-key'
const faults = new Faults()
const journal = new Journal()
const work = new WorkLog()
const options = { faults, journal, apiKey: KEY, pace: { factor: 0.01 } }
const { api: assembly } = STAND_INS.assemblyai.makeServers(options, work)
const { api: gemini } = STAND_INS.gemini.makeServers(options, work)
const { api: eleven } = STAND_INS.elevenlabs.makeServers(options, work)
const auphonic = STAND_INS.auphonic.makeServers(options, work)
const services: HttpService[] = [assembly, gemini, eleven, auphonic.api, ...auphonic.behind]
let audio: Buffer<ArrayBuffer>
let host: Server
let hostUrl: string
let hooks: { url: string; headers: Record<string, unknown>; body: string }[] = []
let hookAnswers: number[] = []

beforeAll(async () => {
  audio = await readFile(FIXTURE)
  await Promise.all(services.map((service) => service.start()))
  host = createServer((request, response) => {
    if (request.method === 'GET')
      return void response.end(request.url === '/speech.flac' ? audio : 'this is not audio, it is a page')
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      hooks.push({ url: request.url ?? '', headers: request.headers, body })
      response.writeHead(hookAnswers.shift() ?? 200).end()
    })
  })
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
  hostUrl = `http://127.0.0.1:${(host.address() as AddressInfo).port}`
})
afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()))
  host.closeAllConnections()
  await new Promise((resolve) => host.close(resolve))
})
afterEach(async () => {
  hooks = []
  hookAnswers = []
  await faults.clear()
})

describe('AssemblyAI', () => {
  const client = () => new AssemblyAI({ apiKey: KEY, baseUrl: assembly.origin })

  test('transcribes the fixture to what is really said, over its true duration', async () => {
    const transcript = await client().transcripts.transcribe(
      { audio: `${hostUrl}/speech.flac`, speech_models: ['universal-2'] },
      { pollingInterval: 20 },
    )
    expect(transcript.status).toBe('completed')
    expect(transcript.text).toBe(
      'And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.',
    )
    expect(transcript.audio_duration).toBe(11)
    const words = transcript.words ?? []
    expect(words).toHaveLength(22)
    expect(words.every(({ start, end }, index) => start < end && start >= (words[index - 1]?.end ?? 0))).toBe(true)
    expect(JSON.stringify(transcript)).toContain('stand-in')
  })

  test('takes an upload, and gives captions, sentences, the list and deletion', async () => {
    const url = await client().files.upload(audio)
    const { id } = await client().transcripts.transcribe({ audio: url }, { pollingInterval: 20 })
    expect(await client().transcripts.subtitles(id, 'vtt')).toMatch(/^WEBVTT/)
    expect(await client().transcripts.subtitles(id, 'srt')).toContain('00:00:00,330 -->')
    expect((await client().transcripts.sentences(id)).sentences.length).toBeGreaterThan(1)
    const { transcripts } = await client().transcripts.list({ limit: 5 })
    expect(transcripts.map((one) => one.id)).toContain(id)
    expect((await client().transcripts.delete(id)).text).toMatch(/deleted/i)
  })

  test('runs five jobs at once and queues the rest, in order', async () => {
    // Long enough that all eight are there before the first has ended.
    options.pace.factor = 0.3
    const jobs = await Promise.all(
      Array.from({ length: 8 }, () => client().transcripts.submit({ audio: `${hostUrl}/speech.flac` })),
    )
    const finished = await Promise.all(
      jobs.map(({ id }) => client().transcripts.waitUntilReady(id, { pollingInterval: 20 })),
    )
    expect(finished.every(({ status }) => status === 'completed')).toBe(true)
    expect(finished.filter(({ throttled }) => throttled)).toHaveLength(3)
    options.pace.factor = 0.01
  })

  test('ends a job that is not audio as an error, inside a 200', async () => {
    const transcript = await client().transcripts.transcribe({ audio: `${hostUrl}/page.html` }, { pollingInterval: 20 })
    expect(transcript).toMatchObject({
      status: 'error',
      error: expect.stringContaining('does not appear to contain audio') as string,
    })
  })

  test('refuses a wrong key, Bearer, an unknown model and an unknown id', async () => {
    const stranger = new AssemblyAI({ apiKey: `Bearer ${KEY}`, baseUrl: assembly.origin })
    await expect(stranger.transcripts.list()).rejects.toThrow(/Authentication error/)
    await expect(client().transcripts.submit({ audio: hostUrl, speech_models: ['nano'] as never })).rejects.toThrow(
      /speech_models/,
    )
    await expect(client().transcripts.get('none')).rejects.toThrow(/not found/)
  })

  test('calls the webhook with its header, again after a 500, and never again after a 4xx', async () => {
    hookAnswers = [500, 404]
    await client().transcripts.submit({
      audio: `${hostUrl}/speech.flac`,
      webhook_url: `${hostUrl}/hook`,
      webhook_auth_header_name: 'X-T',
      webhook_auth_header_value: 's',
    })
    await vi.waitFor(() => expect(hooks).toHaveLength(2), { timeout: 5000 })
    expect(hooks[0]?.headers).toMatchObject({ 'x-t': 's' })
    expect(JSON.parse(hooks[0]?.body ?? '')).toMatchObject({ status: 'completed' })
  })

  test('loses or doubles a webhook when told to', async () => {
    await faults.set('assemblyai', { mode: 'webhook-twice', times: 1 })
    await client().transcripts.submit({ audio: `${hostUrl}/speech.flac`, webhook_url: `${hostUrl}/hook` })
    await vi.waitFor(() => expect(hooks).toHaveLength(2), { timeout: 5000 })
    await faults.set('assemblyai', { mode: 'webhook-lost', times: 1 })
    const { id } = await client().transcripts.submit({
      audio: `${hostUrl}/speech.flac`,
      webhook_url: `${hostUrl}/hook`,
    })
    await vi.waitFor(async () => expect((await client().transcripts.get(id)).status).toBe('completed'), {
      timeout: 5000,
    })
    expect(hooks).toHaveLength(2)
  })
})

describe('Gemini', () => {
  const client = () => new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: gemini.origin } })
  const passages = [
    { startSeconds: 0, text: 'Today we talk about lighthouses.' },
    { startSeconds: 40, text: 'Lighthouses need keepers and lamps.' },
  ]

  test('answers the schema it was given, from the transcript it was sent', async () => {
    const response = await client().models.generateContent({
      model: 'gemini-3.8-flash',
      contents: JSON.stringify({ passages }),
      config: {
        responseMimeType: 'application/json',
        responseJsonSchema: {
          type: 'object',
          properties: {
            title: { type: 'string' },
            description: { type: 'string' },
            chapters: {
              type: 'array',
              items: { type: 'object', properties: { startSeconds: { type: 'number' }, title: { type: 'string' } } },
            },
            tags: { type: 'array', items: { type: 'string' } },
            mood: { enum: ['calm', 'tense'] },
          },
        },
      },
    })
    const notes = JSON.parse(response.text ?? '') as Record<string, unknown>
    expect(notes).toMatchObject({ title: 'Today we talk about lighthouses.', mood: 'calm' })
    expect(notes['chapters']).toEqual([
      { startSeconds: 0, title: 'Today we talk about lighthouses.' },
      { startSeconds: 40, title: 'Lighthouses need keepers and lamps.' },
    ])
    expect((notes['tags'] as string[])[0]).toBe('lighthouses')
    expect(notes['description']).toContain('stand-in')
    expect(response.usageMetadata?.totalTokenCount).toBeGreaterThan(0)
  })

  test('counts tokens, knows its models, and truncates at the output limit', async () => {
    expect(
      (await client().models.countTokens({ model: 'gemini-3.8-flash', contents: 'x'.repeat(400) })).totalTokens,
    ).toBe(100)
    expect((await client().models.get({ model: 'gemini-3.8-flash' })).inputTokenLimit).toBe(1_048_576)
    await expect(client().models.generateContent({ model: 'gemini-2.5-flash', contents: 'x' })).rejects.toMatchObject({
      status: 404,
    })
    const short = await client().models.generateContent({
      model: 'gemini-3.8-flash',
      contents: 'x',
      config: { maxOutputTokens: 2 },
    })
    expect(short.candidates?.[0]?.finishReason).toBe('MAX_TOKENS')
  })

  test('blocks inside a 200, without candidates', async () => {
    await faults.set('gemini', { mode: 'blocked', times: 1 })
    const response = await client().models.generateContent({ model: 'gemini-3.8-flash', contents: 'x' })
    expect(response.candidates).toBeUndefined()
    expect(response.promptFeedback?.blockReason).toBe('SAFETY')
  })

  test('tells a wait in RetryInfo, and a wrong key as Google does', async () => {
    await faults.set('gemini', { mode: 'throttle', retryAfterSeconds: 34, times: 1 })
    await expect(client().models.generateContent({ model: 'gemini-3.8-flash', contents: 'x' })).rejects.toThrow(
      /"retryDelay":"34s"/,
    )
    const stranger = new GoogleGenAI({ apiKey: 'wrong', httpOptions: { baseUrl: gemini.origin } })
    await expect(stranger.models.generateContent({ model: 'gemini-3.8-flash', contents: 'x' })).rejects.toThrow(
      /API_KEY_INVALID/,
    )
  })
})

describe('ElevenLabs', () => {
  const client = () => new ElevenLabsClient({ apiKey: KEY, baseUrl: eleven.origin, maxRetries: 0 })
  const voice = 'JBFqnCBsd6RMkjVDRZzb'

  test('speaks audibly, for about as long as the text takes', async () => {
    const stream = await client().textToSpeech.convert(voice, {
      text: 'Welcome to the show, good to have you here.',
      modelId: 'eleven_multilingual_v2',
    })
    const mp3 = Buffer.from(await new Response(stream as unknown as ReadableStream).arrayBuffer())
    const seconds = await durationSeconds(mp3)
    expect(seconds).toBeGreaterThan(1.5)
    expect(seconds).toBeLessThan(8)
    expect((await measureLoudness(mp3)).integratedLufs).toBeGreaterThan(-40)
  })

  test('keeps a ledger of characters', async () => {
    const before = (await client().user.subscription.get()).characterCount
    await (await client().textToSpeech.convert(voice, { text: 'twelve chars' })).cancel()
    expect((await client().user.subscription.get()).characterCount).toBe(before + 12)
  })

  test('refuses in the shapes the SDK knows', async () => {
    const failure = async (call: PromiseLike<unknown>) => {
      const error: unknown = await Promise.resolve(call).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      if (!(error instanceof ElevenLabsError)) throw new Error('expected an ElevenLabsError')
      return { status: error.statusCode, body: JSON.stringify(error.body) }
    }
    const stranger = new ElevenLabsClient({ apiKey: 'wrong', baseUrl: eleven.origin, maxRetries: 0 })
    expect(await failure(stranger.user.subscription.get())).toMatchObject({
      status: 401,
      body: expect.stringContaining('invalid_api_key') as string,
    })
    const speak = (text: string) => client().textToSpeech.convert(voice, { text })
    expect(await failure(speak('x'.repeat(10_001)))).toMatchObject({
      status: 400,
      body: expect.stringContaining('text_too_long') as string,
    })
    await faults.set('elevenlabs', { mode: 'billing', times: 1 })
    expect(await failure(speak('x'))).toMatchObject({
      status: 402,
      body: expect.stringContaining('insufficient_credits') as string,
    })
    await faults.set('elevenlabs', { mode: 'throttle', times: 1 })
    expect(await failure(speak('x'))).toMatchObject({ status: 429 })
  })
})

describe('Auphonic', () => {
  type Envelope = { status_code: number; error_message: string; data: Record<string, unknown> }
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    authorization = `Bearer ${KEY}`,
  ): Promise<Envelope> => {
    const json = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(`${auphonic.api.origin}/api${path}`, {
      method,
      headers: { Authorization: authorization, 'Content-Type': 'application/json' },
      ...json,
    })
    return (await response.json()) as Envelope
  }
  const finished = (uuid: unknown) =>
    vi.waitFor(
      async () => {
        const { data } = await call('GET', `/production/${String(uuid)}.json`)
        if (data['status'] !== 3 && data['status'] !== 2) throw new Error('still at work')
        return data
      },
      { timeout: 20_000, interval: 50 },
    )

  test('masters to the loudness that was asked for, and says so by an unsigned form', async () => {
    const { data } = await call('POST', '/productions.json', {
      input_file: `${hostUrl}/speech.flac`,
      output_basename: 'job-1',
      metadata: { title: 'T' },
      algorithms: { loudnesstarget: -16 },
      webhook: `${hostUrl}/hook?token=t`,
    })
    expect(data).toMatchObject({ status: 10, start_allowed: true })
    await call('POST', `/production/${String(data['uuid'])}/start.json`)
    const done = await finished(data['uuid'])
    expect(done).toMatchObject({ status: 3, output_basename: 'job-1' })
    expect(done['length'] as number).toBeCloseTo(11, 0)
    await vi.waitFor(() => expect(hooks).toHaveLength(1))
    expect(hooks[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded')
    expect(new URLSearchParams(hooks[0]?.body).get('status_string')).toBe('Done')

    const [file] = done['output_files'] as { download_url: string }[]
    const redirect = await fetch(file?.download_url ?? '', {
      headers: { Authorization: `Bearer ${KEY}` },
      redirect: 'manual',
    })
    expect(redirect.status).toBe(302)
    const location = redirect.headers.get('location') ?? ''
    expect(new URL(location).origin).not.toBe(auphonic.api.origin)
    expect((await fetch(location, { headers: { Authorization: `Bearer ${KEY}` } })).status).toBe(400)
    const mp3 = Buffer.from(await (await fetch(location)).arrayBuffer())
    expect(Math.abs((await measureLoudness(mp3)).integratedLufs + 16)).toBeLessThanOrEqual(1)
  })

  test('cannot be started twice, and refuses inside its envelope', async () => {
    const { data } = await call('POST', '/productions.json', { input_file: `${hostUrl}/speech.flac` })
    await call('POST', `/production/${String(data['uuid'])}/start.json`)
    expect(await call('POST', `/production/${String(data['uuid'])}/start.json`)).toMatchObject({ status_code: 400 })
    expect(await call('GET', '/user.json', undefined, 'Bearer wrong')).toMatchObject({ status_code: 401 })
    expect(await call('GET', '/production/none.json')).toMatchObject({ status_code: 404 })
    expect((await call('GET', '/user.json')).data).toMatchObject({ credits: 9.5 })
    await finished(data['uuid'])
  })

  test('takes audio as bytes, and ends in Error when it is none', async () => {
    const { data } = await call('POST', '/productions.json', { output_basename: 'bytes' })
    expect(data).toMatchObject({ status: 9, start_allowed: false })
    const form = new FormData()
    form.append('input_file', new Blob(['no audio at all']), 'x.mp3')
    const headers = { Authorization: `Bearer ${KEY}` }
    await fetch(`${auphonic.api.origin}/api/production/${String(data['uuid'])}/upload.json`, {
      method: 'POST',
      headers,
      body: form,
    })
    await call('POST', `/production/${String(data['uuid'])}/start.json`)
    expect(await finished(data['uuid'])).toMatchObject({
      status: 2,
      error_message: expect.stringContaining('audio') as string,
    })
  })
})

describe('faults', () => {
  test('act as their names say', async () => {
    const ask = (init: RequestInit = {}) => fetch(`${auphonic.api.origin}/api/info/production_status.json`, init)
    await faults.set('auphonic', { mode: 'status', status: 503, retryAfterSeconds: 3, times: 1 })
    const refused = await ask()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '3'])
    await faults.set('auphonic', { mode: 'malformed', times: 1 })
    await expect(ask().then((response) => response.json())).rejects.toThrow(SyntaxError)
    await faults.set('auphonic', { mode: 'truncate', times: 1 })
    await expect(ask().then((response) => response.text())).rejects.toThrow(/terminated/)
    await faults.set('auphonic', { mode: 'reset', times: 1 })
    await expect(ask()).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
    await faults.set('auphonic', { mode: 'blackhole', times: 1 })
    await expect(ask({ signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ name: 'TimeoutError' })
    await faults.set('auphonic', { mode: 'down' })
    await expect(ask()).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    await faults.clear('auphonic')
    expect((await ask()).status).toBe(200)
  })
})
