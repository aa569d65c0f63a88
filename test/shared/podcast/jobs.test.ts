import { expect, test } from 'vitest'

import type { Step } from '../../../shared/engine/workflow.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { forgetJobs, stopJobs } from '../../../shared/podcast/jobs.ts'
import type { Mastering, Transcriber } from '../../../shared/podcast/ports.ts'
import type { EpisodeStore } from '../../../shared/podcast/stores.ts'
import { draft } from './episode-fixtures.ts'

const CALL = { correlationId: 'c', random: Math.random, signal: new AbortController().signal }
const unused = async () => {
  throw new Error('nobody asked for this')
}

/** Providers that know one job each, whose id was never recorded, and say what they are told. */
function providers() {
  const told: string[] = []
  const transcriber: Transcriber = {
    name: 'a-transcriber',
    kind: 'job',
    callsBack: false,
    takes: () => true,
    submit: unused,
    read: unused,
    find: async ({ key }) => (key === 'key-1' ? { id: 'found-1' } : undefined),
    remove: async (id) => void told.push(`remove ${id}`),
  }
  const mastering: Mastering = {
    name: 'a-mastering',
    kind: 'job',
    callsBack: false,
    create: unused,
    read: unused,
    start: unused,
    download: unused,
    find: async ({ key }) => (key === 'key-2' ? { id: 'found-2' } : undefined),
    stop: async (id) => void told.push(`stop ${id}`),
    remove: async (id) => void told.push(`remove ${id}`),
  }
  return { told, transcriber, mastering }
}

function withJob(episode: Episode, step: 'transcribe' | 'master', more: Partial<Step>): Episode {
  return { ...episode, steps: { ...episode.steps, [step]: { ...episode.steps[step], ...more } } }
}

test.each(['here', 'hand', undefined])(
  'a job that was meant to be made is looked for and removed, although %s did the step',
  async (provider) => {
    const { told, transcriber, mastering } = providers()
    const job = { key: 'key-1', webhookToken: 't', provider: 'a-transcriber', polls: 0 }
    const other = { key: 'key-2', webhookToken: 't', provider: 'a-mastering', polls: 0 }
    const one = withJob(draft(), 'transcribe', { state: 'done', job, ...(provider && { provider }) })
    const both = withJob(one, 'master', { state: 'done', job: other, ...(provider && { provider }) })
    await forgetJobs({ transcribers: [transcriber], masterings: [mastering] }, both, CALL)
    expect(told).toEqual(['remove found-1', 'remove found-2'])
  },
)

test('a job that may be at a provider the step has given up on is looked for and removed', async () => {
  const { told, transcriber } = providers()
  const lostJobs = [{ key: 'key-1', webhookToken: 't', provider: 'a-transcriber', polls: 0 }]
  const episode = withJob(draft(), 'transcribe', { state: 'done', provider: 'another', lostJobs })
  await forgetJobs({ transcribers: [transcriber], masterings: [] }, episode, CALL)
  expect(told).toEqual(['remove found-1'])
})

const CANCELLED = {
  ...withJob(draft(), 'master', {
    state: 'pending',
    provider: 'a-mastering',
    job: { key: 'key-2', webhookToken: 't', provider: 'a-mastering', polls: 1, providerJobId: 'p-1' },
  }),
  status: 'cancelled' as const,
}

test.each([
  ['is stopped where it is', true],
  ['whose provider is configured no more is not looked for again', false],
])('the job of a cancelled episode %s', async (_name, isConfigured) => {
  const { told, mastering } = providers()
  let stored: Episode = CANCELLED
  const move: EpisodeStore['move'] = async (_id, decide) => {
    const decision = decide(stored, 1)
    stored = decision.next ?? stored
    return decision
  }
  const episodes = { move } as EpisodeStore
  await stopJobs({ episodes, masterings: isConfigured ? [mastering] : [] }, CANCELLED, CALL)
  expect(told).toEqual(isConfigured ? ['stop p-1'] : [])
  expect(stored.steps.master.job).toBeUndefined()
})

test('a lost job is looked for back to when its episode was created, and no further', async () => {
  const { transcriber, mastering } = providers()
  const since: (number | undefined)[] = []
  const asked: Transcriber = { ...transcriber, find: async ({ sinceMs }) => void since.push(sinceMs) }
  const job = { key: 'key-1', webhookToken: 't', provider: 'a-transcriber', polls: 0 }
  const episode = { ...withJob(draft(), 'transcribe', { job }), createdAtMs: 1234 }
  await forgetJobs({ transcribers: [asked], masterings: [mastering] }, episode, CALL)
  expect(since).toEqual([1234])
})
