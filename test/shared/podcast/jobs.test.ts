import { describe, expect, test } from 'vitest'

import type { Step } from '../../../shared/engine/workflow.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { abandonedJobsDueAtMs, forgetAbandonedJobs, forgetJobs, stopJobs } from '../../../shared/podcast/jobs.ts'
import type { Mastering, Transcriber } from '../../../shared/podcast/ports.ts'
import type { EpisodeStore } from '../../../shared/podcast/stores.ts'
import { viewOf } from '../../../shared/podcast/view.ts'
import { claimStep, draft, started, taskFor } from './episode-fixtures.ts'

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

/** Where an episode is stored, and what is stored there. */
function storeOf(episode: Episode) {
  const kept = { episode }
  const move: EpisodeStore['move'] = async (_id, decide) => {
    const decision = decide(kept.episode, 1)
    kept.episode = decision.next ?? kept.episode
    return decision
  }
  return { kept, episodes: { move } as EpisodeStore }
}

const jobAt = (id: string, provider: string) => ({
  key: 'k',
  webhookToken: 't',
  polls: 9,
  providerJobId: id,
  provider,
})
const READY = { ...draft(), status: 'ready' as const, updatedAtMs: 77 }
const heardElsewhere = (more: Partial<Step> = {}) =>
  withJob(READY, 'transcribe', {
    state: 'done',
    provider: 'another',
    lostJobs: [jobAt('t-1', 'a-transcriber')],
    ...more,
  })

describe('a job that a finished step has left', () => {
  test('is removed once, and stays known as one that may be charged', async () => {
    const { told, transcriber } = providers()
    const { kept, episodes } = storeOf(heardElsewhere())
    expect(abandonedJobsDueAtMs(kept.episode)).toBe(77)
    for (let times = 0; times < 2; times++)
      await forgetAbandonedJobs({ episodes, transcribers: [transcriber], masterings: [] }, kept.episode, CALL)
    expect(told).toEqual(['remove t-1'])
    expect(abandonedJobsDueAtMs(kept.episode)).toBeUndefined()
    expect(viewOf(kept.episode).steps.transcribe.repeatedCalls).toBe(1)
  })

  test('is stopped and removed where a fallback has taken its place for good', async () => {
    const { told, mastering } = providers()
    const fallback = { atMs: 1, tries: 0 }
    const left = { state: 'done', provider: 'here', job: jobAt('p-1', 'a-mastering'), fallback } as const
    const { episodes, kept } = storeOf(withJob(READY, 'master', left))
    await forgetAbandonedJobs({ episodes, transcribers: [], masterings: [mastering] }, kept.episode, CALL)
    expect(told).toEqual(['stop p-1', 'remove p-1'])
    expect(abandonedJobsDueAtMs(kept.episode)).toBeUndefined()
  })

  test('is not looked for again where its provider is configured no more', async () => {
    const { episodes, kept } = storeOf(heardElsewhere())
    await forgetAbandonedJobs({ episodes, transcribers: [], masterings: [] }, kept.episode, CALL)
    expect(abandonedJobsDueAtMs(kept.episode)).toBeUndefined()
  })

  test.each<[string, Episode]>([
    ['the episode is at work', { ...heardElsewhere(), status: 'processing' }],
    ['the step has failed, and a retry asks for the job', heardElsewhere({ state: 'error' })],
    [
      'it was never made, as far as is known',
      heardElsewhere({ lostJobs: [{ key: 'k', webhookToken: 't', polls: 0 }] }),
    ],
    [
      'the episode is to be made better with it',
      withJob(READY, 'master', {
        state: 'done',
        job: jobAt('p-1', 'a-mastering'),
        fallback: { atMs: 1, tries: 0, nextTryAtMs: 9 },
      }),
    ],
  ])('is left alone while %s', (_when, episode) => {
    expect(abandonedJobsDueAtMs(episode)).toBeUndefined()
  })

  test('and that was removed is not gone back to', () => {
    const lost = { ...jobAt('t-1', 'assemblyai'), removedAtMs: 5 }
    const begun = started()
    const { transcribe } = begun.next.steps
    const steps = { ...begun.next.steps, transcribe: { ...transcribe, lostJobs: [lost] } }
    const { workflow } = claimStep({ ...begun.next, steps }, taskFor(begun, 'transcribe'), 10)
    expect(workflow.steps.transcribe).toMatchObject({ lostJobs: [lost], job: { polls: 0 } })
    expect(workflow.steps.transcribe.job).not.toHaveProperty('providerJobId')
  })
})

test.each([
  ['is stopped where it is', true],
  ['whose provider is configured no more is not looked for again', false],
])('the job of a cancelled episode %s', async (_name, isConfigured) => {
  const { told, mastering } = providers()
  const { episodes, kept } = storeOf(CANCELLED)
  await stopJobs({ episodes, masterings: isConfigured ? [mastering] : [] }, CANCELLED, CALL)
  expect(told).toEqual(isConfigured ? ['stop p-1'] : [])
  expect(kept.episode.steps.master.job).toBeUndefined()
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
