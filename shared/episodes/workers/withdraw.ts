import type { WorkDependencies } from '../../dependencies/work.ts'
import type { CallContext } from '../../resilience/call-context.ts'
import { byAttempt } from '../history.ts'
import { stopped } from '../cures.ts'
import type { Episode } from '../schema.ts'
import { jobToStop } from '../sweep/due.ts'

/** Tells the provider to stop the paid job of a cancelled episode. @returns whether there was one */
export async function stopJob(dependencies: WorkDependencies, episode: Episode, call: CallContext): Promise<boolean> {
  const jobId = jobToStop(episode)
  if (jobId === undefined) return false
  for (const mastering of dependencies.masterings) await mastering.stop(jobId, call)
  await dependencies.episodes.move(episode.id, (current) => {
    const after = stopped(current, 'master', jobId)
    return { episode: after === current ? undefined : after, cause: { by: byAttempt(jobId), why: 'cancelled' } }
  })
  return true
}

/**
 * Removes everything that providers keep of an episode: jobs whose ids are known, and those only meant to be made. Each
 * provider is asked about every id; one that it does not know changes nothing.
 */
export async function forgetJobs(dependencies: WorkDependencies, episode: Episode, call: CallContext): Promise<void> {
  const { steps, upgrade } = episode
  const idsOf = (step: 'transcribe' | 'master') =>
    new Set((episode.jobs ?? []).filter((job) => job.step === step).map(({ id }) => id))
  for (const transcriber of dependencies.transcribers) {
    const ids = idsOf('transcribe')
    const { job } = steps.transcribe
    if (job !== undefined && job.providerJobId === undefined) {
      const lost = await transcriber.find({ key: job.key, uploadedTo: job.inputUrl }, call)
      if (lost !== undefined) ids.add(lost.id)
    }
    for (const id of ids) await transcriber.remove(id, call)
  }
  for (const mastering of dependencies.masterings) {
    const ids = idsOf('master')
    for (const { job } of [steps.master, ...(upgrade ? [upgrade.steps.master] : [])]) {
      const lost = job && job.providerJobId === undefined ? await mastering.find(job.key, call) : undefined
      if (lost !== undefined) ids.add(lost.id)
    }
    for (const id of ids) await mastering.remove(id, call)
  }
}
