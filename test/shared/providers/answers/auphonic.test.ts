import { beforeEach, expect, test } from 'vitest'

import { failureOfCall } from '../../../../shared/providers/failure.ts'
import { meaningOf, ProviderError } from '../../../../shared/providers/provider-error.ts'
import { accountAt, CALL, guardOf, makePort, MASTERING } from '../provider-fixtures.ts'
import { AUPHONIC_ANSWERS, EXPECTED_SECONDS } from './auphonic.ts'
import type { AnswerRow } from './auphonic.ts'
import { serviceOfTest } from '../service-of-test.ts'

/** Auphonic as it answers in the table: the same whatever it is asked. */
let row: AnswerRow
let asked: string[] = []

const service = serviceOfTest((request, response) => {
  request.resume().on('end', () => {
    asked.push(`${request.method} ${request.url}`)
    const { status, headers, body, cutAfterBytes } = row
    const bytes = Buffer.from(body)
    response.writeHead(status, headers)
    if (cutAfterBytes === undefined) return void response.end(bytes)
    response.write(bytes.subarray(0, cutAfterBytes), () => request.socket.destroy())
  })
})
beforeEach(() => {
  asked = []
})

let guard = guardOf('auphonic')
beforeEach(() => void (guard = guardOf('auphonic')))

async function callPort(): Promise<unknown> {
  const mastering = await makePort('masterings', accountAt('auphonic', service.url), guard)
  switch (row.to) {
    case 'create':
      return mastering.create(MASTERING, CALL)
    case 'read':
      return mastering.read('u1', CALL)
    case 'start':
      return mastering.start('u1', { ...MASTERING, recordStart: async () => undefined }, CALL)
    case 'download': {
      const file = { url: `${service.url}/result.mp3`, saidSeconds: undefined, saidBytes: undefined }
      const sound = await mastering.download(file, EXPECTED_SECONDS, CALL)
      await sound.toArray()
      return { state: 'done' }
    }
  }
}

test.each(AUPHONIC_ANSWERS.map((one) => [`${one.to}: ${one.answer}`, one] as const))('%s', async (_name, chosen) => {
  row = chosen
  const { means, canPass, breaker } = row
  const ended: unknown = await callPort().catch((error: unknown) => error)
  if ('kind' in means) {
    expect(ended).toBeInstanceOf(ProviderError)
    const error = ended as ProviderError
    expect([error.kind, error.canPass]).toEqual([means.kind, canPass])
    // A body that turns out to be useless was an answer as far as the breaker knows.
    const meaning = meaningOf(error)
    if (breaker !== 'success') expect(typeof meaning === 'string' ? meaning : meaning.reason).toBe(breaker)
    else expect([error.kind, meaning]).toEqual(['unusable', 'ignored'])
    expect(failureOfCall(error)?.kind).not.toBe('unexpected')
  } else {
    expect(ended).toMatchObject('reason' in means ? { state: 'failed', ...means } : means)
    // An account without credits is nobody's alone: its breaker opens, and an operator is told.
    expect(guard.breaker.state).toBe(breaker === 'billing' ? 'open' : 'closed')
  }
  // What is charged, or makes what is, is sent once.
  expect(asked.filter((line) => /^POST .*(productions|start)\.json$/.test(line)).length).toBeLessThanOrEqual(1)
})

test('the table has a row for each of the 16 states', () => {
  const states = AUPHONIC_ANSWERS.filter(({ to }) => to === 'read').flatMap(({ body }) => {
    const { data } = JSON.parse(String(body)) as { data: { status?: number | string } }
    return data.status === undefined ? [] : [Number(data.status)]
  })
  expect(new Set(states.filter((status) => status < 16)).size).toBe(16)
})
