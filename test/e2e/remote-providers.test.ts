import { afterAll, beforeAll, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import type { HttpService } from '../../infra/local/http-service.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { Journal } from '../../infra/local/journal.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'
import { clientOf, settled, startTestCloud, uploaded } from './cloud.ts'
import { expectUnaided } from './healing.ts'

/**
 * Providers that cannot reach this machine, as real ones cannot: they are addressed by a name that does not say
 * loopback, so that the functions must send them bytes and ask for results.
 */
const journal = new Journal()
const options = { faults: new Faults(), journal, apiKey: 'real-key', pace: { factor: 0.02 } }
const { api: assemblyAi } = STAND_INS.assemblyai.makeServers(options, new WorkLog())
const auphonic = STAND_INS.auphonic.makeServers(options, new WorkLog())
const services: HttpService[] = [assemblyAi, auphonic.api, ...auphonic.behind]
let cloud: LocalCloud

beforeAll(async () => {
  await Promise.all(services.map((service) => service.start()))
  const remote = (service: HttpService) => service.origin.replace('127.0.0.1', '[::ffff:127.0.0.1]')
  cloud = await startTestCloud({
    environment: {
      ASSEMBLYAI_API_KEY: 'real-key',
      ASSEMBLYAI_BASE_URL: remote(assemblyAi),
      AUPHONIC_API_KEY: 'real-key',
      AUPHONIC_BASE_URL: `${remote(auphonic.api)}/api`,
    },
  })
})
afterAll(async () => {
  await cloud.stop()
  await Promise.all(services.map((service) => service.stop()))
})

test('audio is sent as bytes, results are polled, and the episode is finished with its intro', async () => {
  const client = await clientOf(cloud, 'alice')
  const draft = await uploaded(client, 'remote', { intro: { text: 'Hello from afar.' } })
  await client.act('process', draft.id)
  const episode = await settled(client, draft.id)
  expect(episode.status).toBe('ready')
  await expectUnaided(cloud, draft.id)
  const sent = (target: string, path: RegExp) =>
    journal.of(target).filter((entry) => entry.method === 'POST' && path.test(entry.path ?? ''))
  expect(sent('assemblyai', /\/v2\/upload$/)).toHaveLength(1)
  expect(sent('assemblyai', /\/v2\/transcript$/)).toHaveLength(1)
  expect(sent('auphonic', /\/upload\.json$/)).toHaveLength(2)
  expect(sent('auphonic', /\/start\.json$/)).toHaveLength(1)
  expect(cloud.journal.of('tasks').filter(({ queue }) => queue === 'work-transcribe').length).toBeGreaterThanOrEqual(2)
})
