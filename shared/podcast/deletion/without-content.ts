import type { Step } from '../../engine/workflow.ts'
import type { Episode } from '../episode.ts'

/**
 * A deleted episode whose files are removed, without what its owner gave it and what was made of that. What stays says
 * what may still arrive, and what providers may still keep.
 */
export function withoutContent(episode: Episode, filesRemovedAtMs: number): Episode {
  const { schemaVersion, id, userId, status, generation, steps, upgrade, jobs, strays, audio } = episode
  const { isCounted, createdAtMs, updatedAtMs, deletedAtMs, recentOperations, lastGeneration, leftOut } = episode
  return {
    schemaVersion,
    id,
    userId,
    status,
    generation,
    title: '',
    language: 'und',
    options: {},
    steps: mapSteps(steps),
    results: {},
    createdAtMs,
    updatedAtMs,
    filesRemovedAtMs,
    ...(upgrade && { upgrade: { ...upgrade, steps: mapSteps(upgrade.steps), results: {} } }),
    ...(jobs && { jobs }),
    ...(strays && { strays }),
    ...(audio && { audio: openRecording(audio) }),
    ...(isCounted !== undefined && { isCounted }),
    ...(deletedAtMs !== undefined && { deletedAtMs }),
    ...(recentOperations && { recentOperations }),
    ...(lastGeneration !== undefined && { lastGeneration }),
    ...(leftOut && { leftOut }),
  }
}

function openRecording({ key, contentType, linkUntilMs }: NonNullable<Episode['audio']>) {
  return { key, contentType, ...(linkUntilMs !== undefined && { linkUntilMs }) }
}

function mapSteps(steps: Episode['steps']): Episode['steps'] {
  return Object.fromEntries(Object.entries(steps).map(([name, step]) => [name, bare(step)])) as Episode['steps']
}

/** Who holds it until when, and its jobs. */
function bare({ state, attempt, dispatch, provider, lease, job, lostJobs }: Step): Step {
  return {
    state,
    attempt,
    dispatch,
    ...(provider !== undefined && { provider }),
    ...(lease && { lease }),
    ...(job && { job }),
    ...(lostJobs && { lostJobs }),
  }
}
