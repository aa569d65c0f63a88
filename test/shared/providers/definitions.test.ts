import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { beforeEach, describe, expect, test } from 'vitest'

import { FUNCTIONS } from '../../../functions/functions.ts'
import { logMetrics } from '../../../infra/cloud/monitoring/metrics.ts'
import { deployment } from '../../infra/cloud/rehearsal.ts'
import { JOB_PORTS } from '../../../shared/podcast/ports.ts'
import { PROVIDER_NAMES, providerNamed } from '../../../shared/providers/providers.ts'
import {
  accountAt,
  CALL,
  IMPLEMENTATIONS,
  makeJobTranscriber,
  makePort,
  MASTERING,
  TRANSCRIPTION,
} from './provider-fixtures.ts'
import { serviceOfTest } from './service-of-test.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** A service that keeps what it was sent and answers as it is told. */
let answer: unknown
let received: { path: string; body: Record<string, unknown> }[] = []

const service = serviceOfTest((request, response) => {
  let text = ''
  request.on('data', (chunk: Buffer) => (text += chunk.toString()))
  request.on('end', () => {
    received.push({
      path: request.url ?? '',
      body: (text.startsWith('{') ? JSON.parse(text) : { text }) as object as Record<string, unknown>,
    })
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer))
  })
})
beforeEach(() => {
  received = []
})

const transcriber = () => makeJobTranscriber(accountAt('assemblyai', service.url))
const mastering = () => makePort('masterings', accountAt('auphonic', service.url))
const production = (fields: object) => ({ status_code: 200, data: { uuid: 'u1', status: 2, ...fields } })

describe('why a transcription failed', () => {
  test.each([
    ['Server error, please try again.', 'ended'],
    ['Internal error', 'ended'],
    ['Download error, unable to download https://x.example/a. Please make sure the file exists.', 'unfetched'],
    ['Download error to https://x.example/a: the file does not appear to contain audio', 'unfetched'],
    ['Upload failed, please try again. If you continue to have issues please reach out to support', 'ended'],
    ['Transcoding failed. Please try again', 'ended'],
    ['The audio could not be processed', 'ended'],
    ['Unexpected format', 'ended'],
    ['The codec is not what we expected', 'ended'],
    ['Something new', 'ended'],
    ['Transcoding failed. File does not appear to contain audio. File type is text/html', 'not_audio'],
    ['language_detection cannot be performed on files with no spoken audio.', 'no_speech'],
    ['No speech was found', 'no_speech'],
    ['Audio duration is too short.', 'refused'],
    ['Audio duration is too long.', 'refused'],
  ])('"%s" is %s', async (error, reason) => {
    answer = { status: 'error', error }
    expect(await (await transcriber()).read('t1', CALL)).toEqual({ state: 'failed', reason, message: error })
  })
})

describe('why a production failed', () => {
  test.each([
    ['The audio file could not be downloaded', 'unfetched'],
    ['Error in file transfer', 'ended'],
    ['Internal Server Error', 'ended'],
    ['Audio could not be processed: unknown format', 'not_audio'],
    ['Unsupported input file format', 'not_audio'],
    ['This is not a valid audio or video file', 'not_audio'],
    ['The file does not contain audio', 'not_audio'],
    ['Error while encoding the output format mp3', 'ended'],
    ['Audio Encoding failed', 'ended'],
    ['Audio Processing was stopped unexpectedly', 'ended'],
    ['Codec is not known', 'ended'],
    ['This production is not allowed', 'ended'],
  ])('"%s" is %s', async (message, reason) => {
    answer = production({ error_message: message })
    expect(await (await mastering()).read('u1', CALL)).toEqual({ state: 'failed', reason, message })
  })
})

describe('words with times', () => {
  test('are whole milliseconds that never end before they begin', async () => {
    const words = [
      { text: 'One', start: 1.4, end: 99.6, speaker: 'A' },
      { text: 'two.', start: 200, end: 150, speaker: null },
      { text: 'three', start: -40, end: 5 },
      { text: null, start: 1, end: 2 },
      'four',
    ]
    answer = { status: 'completed', text: null, audio_duration: 2.5, words }
    expect(await (await transcriber()).read('t1', CALL)).toEqual({
      state: 'done',
      language: undefined,
      durationSeconds: 2.5,
      text: 'One two. three',
      words: [
        { text: 'One', startMs: 1, endMs: 100, speaker: 'A' },
        { text: 'two.', startMs: 200, endMs: 200 },
        { text: 'three', startMs: 0, endMs: 5 },
      ],
      cost: { jobs: 1, audioSeconds: 2.5 },
    })
  })
})

describe('a job', () => {
  test('is found again by its name in the link, or by where its recording was uploaded to', async () => {
    answer = {
      transcripts: [
        { id: 'other', audio_url: 'https://s.example/a?job=nn' },
        { id: 'deleted', audio_url: 'http://deleted_by_user' },
        { id: 'linked', audio_url: 'https://s.example/a?x=1&job=n' },
        { id: 'uploaded', audio_url: 'https://cdn.example/1' },
      ],
    }
    const one = await transcriber()
    expect(await one.find({ key: 'n', uploadedTo: undefined }, CALL)).toMatchObject({ id: 'linked' })
    expect(await one.find({ key: 'm', uploadedTo: 'https://cdn.example/1' }, CALL)).toMatchObject({ id: 'uploaded' })
    expect(await one.find({ key: 'm', uploadedTo: undefined }, CALL)).toBeUndefined()
  })

  test('is named in the link that its provider fetches', async () => {
    answer = { id: 't1' }
    await (await transcriber()).submit(TRANSCRIPTION, CALL)
    expect(received[0]?.body['audio_url']).toBe('http://127.0.0.1:1/a.mp3?job=n')
  })
})

describe('the token of a webhook', () => {
  test('comes back from AssemblyAI in a header, and is in no URL', async () => {
    answer = { id: 't1' }
    await (await transcriber()).submit(TRANSCRIPTION, CALL)
    expect(received[0]?.body).toMatchObject({
      webhook_url: 'http://127.0.0.1:1/hook?episodeId=e',
      webhook_auth_header_name: 'X-Steadycast-Hook-Token',
      webhook_auth_header_value: 'secret-token',
    })
  })

  test('comes back from Auphonic in the query', async () => {
    answer = production({ status: 10 })
    await (await mastering()).create(MASTERING, CALL)
    expect(received[0]?.body['webhook']).toBe('http://127.0.0.1:1/hook?episodeId=e&token=secret-token')
  })

  test('is not sent to a provider that cannot reach our webhooks', async () => {
    const out = <Config extends object>(config: Config) => ({ ...config, canReachWebhooks: false })
    const deaf = { ...accountAt('assemblyai', service.url), config: out(accountAt('assemblyai', service.url).config) }
    const transcribes = await makeJobTranscriber(deaf)
    answer = { id: 't1' }
    await transcribes.submit(TRANSCRIPTION, CALL)
    const mute = { ...accountAt('auphonic', service.url), config: out(accountAt('auphonic', service.url).config) }
    const masters = await makePort('masterings', mute)
    answer = production({ status: 10 })
    await masters.create(MASTERING, CALL)
    expect([transcribes.callsBack, masters.callsBack]).toEqual([false, false])
    expect(JSON.stringify(received)).not.toContain('secret-token')
  })
})

describe('what follows from the definitions', () => {
  test('a function is given the keys of the providers behind its port, and no other', () => {
    const functionsWith = (secret: string) =>
      Object.values(FUNCTIONS)
        .filter(({ secrets }) => secrets?.some((name) => name === secret))
        .map(({ name }) => name)
    expect(functionsWith('ASSEMBLYAI_API_KEY')).toEqual(['work-transcribe', 'ops-health', 'ops-sweep'])
    expect(functionsWith('GEMINI_API_KEY')).toEqual(['work-write', 'ops-health'])
    expect(functionsWith('ELEVENLABS_API_KEY')).toEqual(['work-transcribe', 'work-voice', 'ops-health'])
    expect(functionsWith('AUPHONIC_API_KEY')).toEqual(['work-master', 'ops-health', 'ops-sweep'])
    expect(functionsWith('WEBHOOK_SECRET')).toEqual(
      expect.arrayContaining(['work-transcribe', 'work-master', 'hooks-assemblyai', 'hooks-auphonic']),
    )
  })

  test.each(IMPLEMENTATIONS)('whether $name keeps a job for $port is said truly', async ({ name, port }) => {
    const { kind } = await makePort(port, accountAt(name, service.url))
    const keepsJobs = JOB_PORTS.includes(port) && !providerNamed(name).answersAtOnce.includes(port)
    expect(kind).toBe(keepsJobs ? 'job' : 'call')
  })

  test('a metric counts what each provider charges', () => {
    const names = logMetrics(deployment()).map(({ name }) => name.split('/').at(-1))
    const ours = [
      'cost_assemblyai_audio_seconds',
      'cost_gemini_output_tokens',
      'cost_elevenlabs_characters',
      'cost_elevenlabs_audio_seconds',
      'cost_auphonic_credit_hours',
    ]
    expect(names).toEqual(expect.arrayContaining(ours))
  })

  test('a vendor is named in its folders, in the lists, and where its webhooks come in', () => {
    const vendors = new RegExp(PROVIDER_NAMES.join('|'), 'i')
    const allowed = [
      /^(shared|infra\/local)\/providers\/(\w+\/|providers\.ts|orders\.ts|stand-ins\.ts)/,
      /^functions\/(hooks\/|index\.ts$)/,
      // Which packages are SDKs, whosever they are.
      /^infra\/check\/dependency-rules\.ts$/,
    ]
    const files = ['functions', 'shared', 'infra'].flatMap((folder) =>
      readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.includes('node_modules'))
        .map((file) => `${folder}/${file}`),
    )
    const naming = files.filter(
      (file) => !allowed.some((place) => place.test(file)) && vendors.test(readFileSync(`${ROOT}${file}`, 'utf8')),
    )
    expect([files.length > 200, naming]).toEqual([true, []])
  })
})
