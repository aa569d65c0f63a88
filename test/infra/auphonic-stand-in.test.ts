import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { Journal } from '../../infra/local/journal.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'
import { providerNamed } from '../../shared/providers/providers.ts'
import { silentMp3 } from '../shared/podcast/sound/mp3-frames.ts'
import { accountAt, CALL, KEY, makePort, MASTERING } from '../shared/providers/provider-fixtures.ts'

/** Auphonic's stand-in refuses what Auphonic does not have, and goes through the states that it has. */
const journal = new Journal()
const options = { faults: new Faults(), journal, apiKey: KEY, pace: { factor: 0 } }
const { api, behind } = STAND_INS.auphonic.makeServers(options, new WorkLog())
const services = [api, ...behind]
beforeAll(() => Promise.all(services.map((service) => service.start())))
afterAll(() => Promise.all(services.map((service) => service.stop())))
beforeEach(() => journal.clear())

type Envelope = { status_code: number; error_message: string; form_errors: object; data: Record<string, unknown> }

async function call(method: string, path: string, body?: object | FormData): Promise<Envelope> {
  const isForm = body instanceof FormData
  const response = await fetch(`${api.origin}/api${path}`, {
    method,
    headers: { Authorization: `Bearer ${KEY}`, ...(!isForm && { 'Content-Type': 'application/json' }) },
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
  })
  return (await response.json()) as Envelope
}

async function create(body: object): Promise<string> {
  const { data } = await call('POST', '/productions.json', body)
  return `/production/${String(data['uuid'])}`
}

function formOf(fields: Record<string, Buffer>): FormData {
  const form = new FormData()
  for (const [field, bytes] of Object.entries(fields)) form.append(field, new Blob([new Uint8Array(bytes)]), 'x.mp3')
  return form
}

async function statusOf(path: string): Promise<unknown> {
  return (await call('GET', `${path}/status.json`)).data['status']
}

const INTRO = { type: 'intro', id: 'intro' }

describe('a production', () => {
  test.each<[string, object, string]>([
    ['a field', { inputfile: 'http://a.example/x' }, 'inputfile'],
    ['a field of its metadata', { metadata: { titel: 'T' } }, 'metadata.titel'],
    ['an algorithm', { algorithms: { denoiser: true } }, 'algorithms.denoiser'],
    ['an algorithm’s value', { algorithms: { denoise: 'yes' } }, 'algorithms.denoise'],
    ['a loudness', { algorithms: { loudnesstarget: -9 } }, 'algorithms.loudnesstarget'],
    ['a format', { output_files: [{ format: 'mp4', bitrate: '128' }] }, 'output_files.0'],
    ['a bit rate', { output_files: [{ format: 'mp3', bitrate: '100' }] }, 'output_files.0'],
    ['a file that is no address', { input_file: 'recording.mp3' }, 'input_file'],
    ['an intro that is neither named nor linked', { multi_input_files: [{ type: 'intro' }] }, 'multi_input_files.0'],
    ['a kind of file', { multi_input_files: [{ type: 'jingle', id: 'a' }] }, 'multi_input_files.0.type'],
    ['a webhook that is no address', { webhook: 'here' }, 'webhook'],
    ['an action', { action: 'go' }, 'action'],
  ])('is refused for %s that there is not', async (_name, body, field) => {
    const refused = await call('POST', '/productions.json', body)
    expect(refused).toMatchObject({ status_code: 400, form_errors: { [field]: expect.anything() as unknown } })
  })

  test('of a preset that there is not is refused as not found', async () => {
    expect(await call('POST', '/productions.json', { preset: 'none' })).toMatchObject({ status_code: 404 })
  })

  test('takes files only in fields that it knows, and is complete once all have come', async () => {
    const path = await create({ multi_input_files: [INTRO] })
    const upload = (fields: Record<string, Buffer>) => call('POST', `${path}/upload.json`, formOf(fields))
    expect(await upload({ outro: silentMp3(5) })).toMatchObject({ status_code: 400, form_errors: { outro: [/outro/] } })
    expect(await upload({ input_file: silentMp3(90) })).toMatchObject({ data: { status: 9, start_allowed: false } })
    expect(await call('POST', `${path}/start.json`)).toMatchObject({ status_code: 400 })
    expect(await upload({ intro: silentMp3(40) })).toMatchObject({ data: { status: 10, start_allowed: true } })
    expect(await call('POST', `${path}/start.json`)).toMatchObject({ status_code: 200 })
    expect(await call('POST', `${path}/start.json`)).toMatchObject({ status_code: 400 })
    await vi.waitFor(async () => expect(await statusOf(path)).toBe(3), { timeout: 20_000, interval: 20 })
    expect(await call('POST', `${path}.json`, { metadata: { title: 'Another' } })).toMatchObject({
      data: { status: 11, start_allowed: true },
    })
  })

  test('without an intro that was declared takes none', async () => {
    const path = await create({})
    const refused = await call('POST', `${path}/upload.json`, formOf({ intro: silentMp3(5) }))
    expect(refused).toMatchObject({ status_code: 400 })
  })

  test('goes back to its form when what came was empty, and is in error when it was no audio', async () => {
    const outcomes = { incomplete: [Buffer.alloc(0), 9], error: [Buffer.from('no audio at all'), 2] } as const
    for (const [bytes, status] of Object.values(outcomes)) {
      const path = await create({})
      await call('POST', `${path}/upload.json`, formOf({ input_file: bytes }))
      await call('POST', `${path}/start.json`)
      await vi.waitFor(async () => expect(await statusOf(path)).toBe(status), { timeout: 20_000, interval: 20 })
    }
  })

  test('that is stopped goes back to where it may be started', async () => {
    const path = await create({})
    await call('POST', `${path}/upload.json`, formOf({ input_file: silentMp3(400) }))
    await call('POST', `${path}/start.json`)
    expect(await call('POST', `${path}/stop.json`)).toMatchObject({ data: { status: 13, start_allowed: false } })
    await vi.waitFor(async () => expect(await statusOf(path)).toBe(10), { timeout: 5000, interval: 20 })
  })
})

describe('our client', () => {
  const account = () => accountAt('auphonic', `${api.origin}/api`)

  test('finds a production by its name behind 250 newer ones', async () => {
    const mastering = await makePort('masterings', account())
    const { id } = await mastering.create({ ...MASTERING, jobKey: 'the-lost-one' }, CALL)
    for (let count = 0; count < 250; count++) await mastering.create({ ...MASTERING, jobKey: `newer-${count}` }, CALL)
    journal.clear()
    expect(await mastering.find({ key: 'the-lost-one', sinceMs: 0 }, CALL)).toEqual({ id })
    expect(journal.of('auphonic')).toHaveLength(3)
    // Older than the episode: it is not there.
    journal.clear()
    const later = Date.now() + 7_200_000
    expect(await mastering.find({ key: 'never-made', sinceMs: later }, CALL)).toBeUndefined()
    expect(journal.of('auphonic')).toHaveLength(1)
    expect(await mastering.find({ key: 'never-made', sinceMs: 0 }, CALL)).toBeUndefined()
  })

  test('is told in health what it is set up to ask for and cannot have', async () => {
    const { check } = providerNamed('auphonic')
    expect(await check(account(), CALL.signal)).toEqual({ left: 9.5, unit: 'h', low: false })
    const { config } = account()
    const settings = { ...config.settings, AUPHONIC_ALGORITHMS: { denoiser: true, denoise: true } }
    const wrong = { ...account(), config: { ...config, settings } }
    await expect(check(wrong, CALL.signal)).rejects.toMatchObject({
      kind: 'misconfigured',
      message: expect.stringMatching(/no denoiser:.*AUPHONIC_ALGORITHMS/) as string,
    })
  })
})
