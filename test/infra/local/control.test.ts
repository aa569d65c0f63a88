import { describe, expect, test } from 'vitest'

import { controlRoutes } from '../../../infra/local/control.ts'
import { FAULT_MODES, Faults, TARGETS } from '../../../infra/local/faults.ts'
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

  test('may be any of the modes there are, whatever the target makes of it', async () => {
    for (const target of TARGETS)
      for (const mode of Object.keys(FAULT_MODES))
        expect(await ask('PUT', `faults/${target}`, { mode })).toEqual({ status: 204 })
    await ask('DELETE', 'faults')
  })

  test.each(['nap', undefined])('have no mode %s, which is refused with those that there are', async (mode) => {
    const modes = Object.keys(FAULT_MODES).map((one) => `"${one}"`)
    expect(await ask('PUT', 'faults/auphonic', { mode })).toMatchObject({
      code: 'validation_error',
      technical: `mode: Invalid option: expected one of ${modes.join('|')}`,
    })
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
