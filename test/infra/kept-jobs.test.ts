import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { Journal } from '../../infra/local/journal.ts'
import { openKept } from '../../infra/local/kept/kept.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'
import { SPEECH } from '../e2e/cloud.ts'

/** Stand-ins that keep their jobs, stopped and started again. */
const KEY = 'k'
/** So slow that nothing ends before the stand-in is stopped. */
const SLOW = 1_000
/** As a busy machine needs. */
const PATIENT = { timeout: 60_000, interval: 50 }

let folder = ''
let stop: () => Promise<void>
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'kept-jobs-'))))
afterEach(async () => {
  await stop()
  rmSync(folder, { recursive: true })
})

/** Starts the stand-in of a provider, as the next start of the local cloud does. */
async function start(name: 'assemblyai' | 'auphonic', paceFactor: number) {
  const kept = openKept(folder)
  const options = {
    faults: new Faults(),
    journal: new Journal(),
    apiKey: KEY,
    pace: { factor: paceFactor },
    kept: kept.jobs,
  }
  const { api, behind, resume } = STAND_INS[name].makeServers(options, new WorkLog())
  for (const service of [api, ...behind]) await service.start()
  resume?.()
  stop = async () => {
    for (const service of [api, ...behind]) await service.stop()
    kept.close()
  }
  const call = async (method: string, path: string, body?: object | FormData | Uint8Array) => {
    const isJson = body !== undefined && !(body instanceof FormData) && !(body instanceof Uint8Array)
    const authorization = name === 'auphonic' ? `Bearer ${KEY}` : KEY
    const response = await fetch(`${api.origin}${path}`, {
      method,
      headers: { Authorization: authorization, ...(isJson && { 'Content-Type': 'application/json' }) },
      ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as FormData) }),
    })
    const json = (await response.json()) as Record<string, unknown>
    return name === 'auphonic' ? (json['data'] as Record<string, unknown>) : json
  }
  return { call, origin: api.origin }
}

describe('a transcription', () => {
  const submit = async ({ call }: Awaited<ReturnType<typeof start>>) => {
    const { upload_url: url } = await call('POST', '/v2/upload', new Uint8Array(SPEECH))
    const { id } = await call('POST', '/v2/transcript', { audio_url: url, speech_models: ['universal-2'] })
    return `/v2/transcript/${String(id)}`
  }

  test('that was under way is done by the next start, under the same id and from the same upload', async () => {
    const path = await submit(await start('assemblyai', SLOW))
    await stop()
    const { call } = await start('assemblyai', 0)
    await expect.poll(async () => (await call('GET', path))['status'], PATIENT).toBe('completed')
    expect((await call('GET', path))['audio_duration']).toBe(11)
  })

  test('that is done, and one that is deleted, are what they were', async () => {
    const first = await start('assemblyai', 0)
    const [done, deleted] = [await submit(first), await submit(first)]
    for (const path of [done, deleted])
      await expect.poll(async () => (await first.call('GET', path))['status'], PATIENT).toBe('completed')
    await first.call('DELETE', deleted)
    const before = await Promise.all([done, deleted].map((path) => first.call('GET', path)))
    await stop()
    const { call } = await start('assemblyai', SLOW)
    expect(await Promise.all([done, deleted].map((path) => call('GET', path)))).toEqual(before)
    expect((await call('GET', '/v2/transcript'))['transcripts']).toHaveLength(2)
  })
})

describe('a production', () => {
  const create = async ({ call }: Awaited<ReturnType<typeof start>>) => {
    const { uuid } = await call('POST', '/api/productions.json', { output_basename: 'episode' })
    const form = new FormData()
    form.append('input_file', new Blob([new Uint8Array(SPEECH)]), 'speech.flac')
    await call('POST', `/api/production/${String(uuid)}/upload.json`, form)
    return `/api/production/${String(uuid)}`
  }

  test('that was under way is done by the next start, from the same upload', async () => {
    const first = await start('auphonic', SLOW)
    const path = await create(first)
    await first.call('POST', `${path}/start.json`)
    await stop()
    const { call } = await start('auphonic', 0)
    await expect.poll(async () => (await call('GET', `${path}/status.json`))['status_string'], PATIENT).toBe('Done')
    const { length } = await call('GET', `${path}.json`)
    expect(length).toBeCloseTo(11, 0)
  })

  test('that was not started waits, one that is done has its sound, and one that was deleted is gone', async () => {
    const first = await start('auphonic', 0)
    const [waiting, done, deleted] = [await create(first), await create(first), await create(first)]
    await first.call('POST', `${done}/start.json`)
    await expect
      .poll(async () => (await first.call('GET', `${done}/status.json`))['status_string'], PATIENT)
      .toBe('Done')
    await first.call('DELETE', `${deleted}.json`)
    const before = await Promise.all([waiting, done].map((path) => first.call('GET', `${path}.json`)))
    await stop()
    const { call, origin } = await start('auphonic', SLOW)
    const after = await Promise.all([waiting, done].map((path) => call('GET', `${path}.json`)))
    // It is somewhere else now, and so are the addresses that it tells.
    expect(JSON.stringify(after)).toBe(JSON.stringify(before).replaceAll(first.origin, origin))
    expect(await call('GET', `${deleted}.json`)).toEqual({})
    expect(await call('GET', '/api/productions.json?uuids_only=1')).toHaveLength(2)
  })
})
