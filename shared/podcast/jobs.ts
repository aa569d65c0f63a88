import { byAttempt } from '../engine/history.ts'
import { jobToStop, recordStop } from '../engine/transitions/owner.ts'
import type { CallContext } from '../resilience/call-context.ts'
import type { Episode } from './episode.ts'
import { PIPELINE, STEP_NAMES } from './pipeline.ts'
import type { StepName } from './pipeline.ts'
import type { EpisodeStore } from './stores.ts'
import type { PortLists, SoughtJob } from './ports.ts'

/* What becomes of jobs at providers when an episode is cancelled or deleted, or has left them. */

/** Tells the provider to stop a paid job of a cancelled episode, if there is one. */
export async function stopJobs(
  { episodes, masterings }: Pick<PortLists, 'masterings'> & { readonly episodes: EpisodeStore },
  episode: Episode,
  call: CallContext,
): Promise<void> {
  for (const plan of PIPELINE) {
    const jobId = jobToStop(plan, episode)
    if (jobId === undefined) continue
    const { job, provider } = episode.steps[plan.name]
    // One that is not configured any more can be told nothing; the job must not be looked for in every sweep.
    await masterings.find(({ name }) => name === (job?.provider ?? provider))?.stop(jobId, call)
    await episodes.move(episode.id, (current) => ({
      next: recordStop(PIPELINE, current, { step: plan.name, jobId })?.next,
      cause: { by: byAttempt(jobId), why: 'cancelled' },
    }))
  }
}

/**
 * Jobs that the episode will not come back to: those at providers that a finished step has left, and one whose fallback
 * stays. They may be charged still.
 */
function abandonedJobs({ steps, status }: Episode): readonly Abandoned[] {
  if (status === 'processing') return []
  return STEP_NAMES.flatMap((step) => {
    const { state, provider, lostJobs = [], job, fallback } = steps[step]
    if (state !== 'done') return []
    const left = fallback !== undefined && fallback.nextTryAtMs === undefined ? [{ provider, ...job }] : []
    return [...lostJobs, ...left].flatMap(({ provider: name, providerJobId: id, removedAtMs }) =>
      name === undefined || id === undefined || removedAtMs !== undefined ? [] : [{ step, name, id }],
    )
  })
}
type Abandoned = { readonly step: StepName; readonly name: string; readonly id: string }

/** When the sweep must see to jobs that an episode has abandoned; undefined: there are none. */
export function abandonedJobsDueAtMs(episode: Episode): number | undefined {
  return abandonedJobs(episode).length > 0 ? episode.updatedAtMs : undefined
}

/** Has providers stop and forget jobs that the episode will not come back to. They stay known as what may be charged. */
export async function forgetAbandonedJobs(
  {
    episodes,
    transcribers,
    masterings,
  }: Pick<PortLists, 'transcribers' | 'masterings'> & { readonly episodes: EpisodeStore },
  episode: Episode,
  call: CallContext,
): Promise<void> {
  for (const { step, name, id } of abandonedJobs(episode)) {
    const transcriber = transcribers.find((one) => one.name === name)
    const mastering = masterings.find((one) => one.name === name)
    if (transcriber?.kind === 'job') await transcriber.remove(id, call)
    await mastering?.stop(id, call)
    await mastering?.remove(id, call)
    // One whose provider is not configured any more must not be looked for in every sweep.
    await episodes.move(episode.id, (current, nowMs) => ({
      next: withRemovedJob(current, { step, id }, nowMs),
      cause: { by: byAttempt(id), why: 'abandoned' },
    }))
  }
}

function withRemovedJob(episode: Episode, { step, id }: Pick<Abandoned, 'step' | 'id'>, nowMs: number): Episode {
  const { job, lostJobs, ...rest } = episode.steps[step]
  const mark = <J extends NonNullable<typeof job>>(one: J): J =>
    one.providerJobId === id ? { ...one, removedAtMs: nowMs } : one
  const marked = { ...rest, ...(job && { job: mark(job) }), ...(lostJobs && { lostJobs: lostJobs.map(mark) }) }
  return { ...episode, steps: { ...episode.steps, [step]: marked } }
}

/** Removes everything that providers keep of an episode: jobs whose ids are known, and those only meant to be made. */
export async function forgetJobs(
  { transcribers, masterings }: Pick<PortLists, 'transcribers' | 'masterings'>,
  { jobs = [], steps, upgrade, createdAtMs: sinceMs }: Episode,
  call: CallContext,
): Promise<void> {
  const unknown = [steps, upgrade?.steps].flatMap((some) =>
    Object.values(some ?? {}).flatMap(({ job, provider, lostJobs = [] }) => [
      ...lostJobs.filter(({ providerJobId }) => providerJobId === undefined),
      ...(job !== undefined && job.providerJobId === undefined ? [{ ...job, provider: job.provider ?? provider }] : []),
    ]),
  )
  // They are among `jobs` as well, unless that could not be read.
  const known = [steps, upgrade?.steps].flatMap((some) =>
    Object.values(some ?? {}).flatMap(({ job, provider }) =>
      job?.providerJobId === undefined ? [] : [{ provider: job.provider ?? provider, id: job.providerJobId }],
    ),
  )
  const idsAt = async (name: string, find: (job: SoughtJob) => Promise<{ id: string } | undefined>) => {
    const ids = new Set([...jobs, ...known].filter(({ provider }) => provider === name).map(({ id }) => id))
    for (const { key, uploadedTo, provider } of unknown) {
      const lost = provider === name ? await find({ key, uploadedTo, sinceMs }) : undefined
      if (lost !== undefined) ids.add(lost.id)
    }
    return ids
  }
  for (const one of transcribers) {
    // What answers at once keeps nothing.
    if (one.kind !== 'job') continue
    for (const id of await idsAt(one.name, (job) => one.find(job, call))) await one.remove(id, call)
  }
  for (const one of masterings)
    for (const id of await idsAt(one.name, ({ key }) => one.find({ key, sinceMs }, call))) await one.remove(id, call)
}
