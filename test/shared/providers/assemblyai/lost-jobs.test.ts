import { beforeEach, expect, test } from 'vitest'

import { pageOf } from '../../../../infra/local/providers/assemblyai/list.ts'
import { makeJob } from '../../../../infra/local/providers/assemblyai/job.ts'
import type { Job } from '../../../../infra/local/providers/assemblyai/job.ts'
import { accountAt, CALL, makeJobTranscriber } from '../provider-fixtures.ts'
import { serviceOfTest } from '../service-of-test.ts'

/** A list of any length, in pages as AssemblyAI gives it, and how many of them were asked for. */
let jobs: Job[] = []
let pages = 0

const service = serviceOfTest((request, response) => {
  pages++
  const page = pageOf(jobs, new URL(request.url ?? '', service.url))
  response.writeHead(page ? 200 : 400, { 'Content-Type': 'application/json' }).end(JSON.stringify(page ?? {}))
})
beforeEach(() => {
  pages = 0
})

/** @param createdMs of the one at a place, the oldest first */
const list = (length: number, createdMs: (index: number) => number) => {
  jobs = Array.from({ length }, (_unused, index) => ({
    ...makeJob({ audio_url: `https://s.example/a?job=n${index}` }),
    id: `t${index}`,
    created: new Date(createdMs(index)).toISOString().replace('Z', '000'),
  }))
}
const HOUR_MS = 3_600_000
const find = async (key: string, sinceMs?: number) =>
  (await makeJobTranscriber(accountAt('assemblyai', service.url))).find({ key, uploadedTo: undefined, sinceMs }, CALL)

test('a lost job is found behind 450 newer ones', async () => {
  list(451, (index) => index * 1000)
  expect([await find('n0', 0), pages]).toEqual([{ id: 't0' }, 3])
})

test('one that was never made is looked for no further back than it can have been made', async () => {
  list(5000, (index) => index * 60_000)
  expect([await find('none', 5000 * 60_000 - HOUR_MS), pages]).toEqual([undefined, 1])
  pages = 0
  expect([await find('none', 5000 * 60_000 - 7 * HOUR_MS), pages]).toEqual([undefined, 3])
})

test('the end of the list ends the search, and so do 10,000 jobs', async () => {
  list(400, () => 0)
  expect([await find('none'), pages]).toEqual([undefined, 3])
  pages = 0
  list(10_300, () => 0)
  expect([await find('none'), pages]).toEqual([undefined, 50])
})
