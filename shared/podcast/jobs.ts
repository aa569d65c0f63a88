import type { WorkDependencies } from '../../dependencies/work.ts'
import type { CallContext } from '../../providers/guarded-call.ts'
import { byAttempt } from '../history.ts'
import { stopped } from '../cures.ts'
import type { Episode } from '../schema.ts'
import { jobToStop } from '../sweep/due.ts'

/** Tells the provider to stop the paid job of a cancelled episode. @returns whether there was one */
export async function stopJob(needs: WorkDependencies, episode: Episode, call: CallContext): Promise<boolean> {
  const jobId = jobToStop(episode)
  if (jobId === undefined) return false
  await needs.auphonic.stop(jobId, call)
  await needs.episodes.move(episode.id, (current) => {
    const after = stopped(current, 'master', jobId)
    return { episode: after === current ? undefined : after, cause: { by: byAttempt(jobId), why: 'cancelled' } }
  })
  return true
}

/** Removes everything that providers keep of an episode: jobs whose ids are known, and those only meant to be made. */
export async function forgetJobs(needs: WorkDependencies, episode: Episode, call: CallContext): Promise<void> {
  const { assemblyAi, auphonic } = needs
  const { transcribe } = episode.steps
  const ids = (step: 'transcribe' | 'master') =>
    new Set((episode.jobs ?? []).filter((job) => job.step === step).map(({ id }) => id))
  const [transcripts, productions] = [ids('transcribe'), ids('master')]
  if (transcribe.job !== undefined && transcribe.job.providerJobId === undefined) {
    const { key, inputUrl } = transcribe.job
    const lost = await assemblyAi.find((url) => url === inputUrl || url.includes(key), call)
    if (lost !== undefined) transcripts.add(lost.id)
  }
  for (const { job } of [episode.steps.master, ...(episode.upgrade ? [episode.upgrade.steps.master] : [])]) {
    const lost = job && job.providerJobId === undefined ? await auphonic.find(job.key, call) : undefined
    if (lost !== undefined) productions.add(lost.uuid)
  }
  for (const id of transcripts) await assemblyAi.remove(id, call)
  for (const id of productions) await auphonic.remove(id, call)
}
