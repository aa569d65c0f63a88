import { describe, expect, test } from 'vitest'

import { controlRoutes } from '../../../infra/local/control.ts'
import { Faults, TARGETS } from '../../../infra/local/faults.ts'
import { Journal } from '../../../infra/local/journal.ts'
import { asHttpError } from '../../../shared/http/http-error.ts'

const faults = new Faults()
const control = controlRoutes({ faults, journal: new Journal(), functionsBaseUrl: '' } as unknown as Parameters<
  typeof controlRoutes
>[0])

/** What the control routes answer; a refusal as its code and its words. */
async function ask(method: string, path: string, body: unknown = {}) {
  try {
    return await control(method, new URL(`http://127.0.0.1/__local/${path}`), async () => body)
  } catch (error) {
    const { code, technical, details } = asHttpError(error)
    return { code, technical, details }
  }
}

describe('the faults of the local cloud', () => {
  test('are told by target while they are on', async () => {
    expect(await ask('PUT', 'faults/gemini', { mode: 'status', status: 500, times: 2 })).toEqual({ status: 204 })
    expect(await ask('PUT', 'faults/firestore', { mode: 'down' })).toEqual({ status: 204 })
    expect(await ask('GET', 'faults')).toEqual({
      status: 200,
      json: { faults: { gemini: { mode: 'status', status: 500, times: 2 }, firestore: { mode: 'down' } } },
    })
    await ask('DELETE', 'faults/gemini')
    expect(await ask('GET', 'faults')).toMatchObject({ json: { faults: { firestore: { mode: 'down' } } } })
    await ask('DELETE', 'faults')
    expect(await ask('GET', 'faults')).toEqual({ status: 200, json: { faults: {} } })
  })

  test.each([
    ['tasks', 'malformed', 'down, reset, blackhole, slow, status'],
    ['firestore', 'blocked', 'down, reset, blackhole, slow, status'],
    ['gcs', 'webhook-lost', 'down, reset, blackhole, slow, status, throttle, auth, billing, malformed, truncate'],
    ['gemini', 'webhook-twice', /blocked$/],
    ['auphonic', 'nap', /blocked, webhook-lost, webhook-twice$/],
    ['auphonic', undefined, /^mode: auphonic has down, /],
  ])('of %s have no mode %s, which is refused with those that there are', async (target, mode, modes) => {
    const technical = typeof modes === 'string' ? `mode: ${target} has ${modes}` : expect.stringMatching(modes)
    expect(await ask('PUT', `faults/${target}`, { mode })).toMatchObject({ code: 'validation_error', technical })
    expect(faults.list()).toEqual({})
  })

  test('and the journal have no target that is not in the list, and say where it belongs', async () => {
    const list = 'assemblyai, gemini, elevenlabs, auphonic, gcs, firestore, tasks'
    for (const [method, path, place] of [
      ['PUT', 'faults/nowhere', 'PUT /__local/faults/<target>'],
      ['PUT', 'faults', 'PUT /__local/faults/<target>'],
      ['DELETE', 'faults/nowhere', 'DELETE /__local/faults/<target>'],
      ['GET', 'journal', 'GET /__local/journal?target=<target>'],
    ] as const)
      expect(await ask(method, path, { mode: 'down' })).toEqual({
        code: 'validation_error',
        technical: `${place}: expected one of ${list}`,
        details: { targets: TARGETS },
      })
  })
})
