import type { Episode, EpisodeFault, EpisodeStatus, Step } from './schema.ts'
import { shiftChapters } from './notes.ts'
import { PROGRESS_SHARE, STEPS } from './steps.ts'
import type { StepName } from './steps.ts'

export type Outputs = {
  audioUrl: string
  transcriptUrl: string
  vttUrl: string
  srtUrl: string
}

export type StepView = {
  state: Step['state']
  attempt: number
  startedAt?: string
  finishedAt?: string
  degraded?: string
  /** What it is at, for steps that take long. */
  activity?: { at: string; what: string }
  /** Paid calls sent again because the end of one was never seen; absent when there was none. */
  repeatedCalls?: number
  error?: EpisodeFault
}

export type EpisodeView = {
  id: string
  title: string
  language: string
  status: EpisodeStatus
  progress: number
  generation: number
  steps: Record<StepName, StepView>
  waitingFor?: { provider: string; until: string }
  degraded: string[]
  outputs?: Partial<Outputs> & {
    notes: { title: string; description: string; chapters: { startSeconds: number; title: string }[]; tags: string[] }
  }
  /** Provider to unit to amount, as providers measure it. */
  costs?: Record<string, Record<string, number>>
  error?: EpisodeFault
  createdAt: string
  updatedAt: string
}

/** The episode as its owner sees it. `urls` are the signed links; lists go without. */
export function viewOf(episode: Episode, urls?: Outputs): EpisodeView {
  const notes = episode.results.write?.notes
  const waiting = STEPS.map((name) => episode.steps[name]).find(
    ({ state, unavailable }) => state === 'waiting' && unavailable,
  )?.unavailable
  return {
    id: episode.id,
    title: episode.title,
    language: episode.language,
    status: episode.status,
    progress: progressOf(episode),
    generation: episode.generation,
    steps: Object.fromEntries(STEPS.map((name) => [name, stepView(episode.steps[name])])) as Record<StepName, StepView>,
    ...(waiting && { waitingFor: { provider: waiting.provider, until: rfc3339(waiting.untilMs) } }),
    degraded: STEPS.filter((name) => episode.steps[name].degraded !== undefined),
    ...(episode.status === 'ready' &&
      notes && {
        outputs: {
          ...urls,
          notes: {
            title: notes.title,
            description: notes.description,
            chapters: shiftChapters(notes.chapters, episode.results.master?.introSeconds ?? 0).map(
              ({ startSeconds, title }) => ({ startSeconds, title }),
            ),
            tags: notes.tags,
          },
        },
      }),
    ...(episode.costs && { costs: episode.costs }),
    ...(episode.error && { error: faultView(episode.error) }),
    createdAt: rfc3339(episode.createdAtMs),
    updatedAt: rfc3339(episode.updatedAtMs),
  }
}

/** One change of an episode: the episode itself or a step, from what to what, by whom and why. */
export type HistoryView = {
  at: string
  what: string
  from?: string
  to: string
  attempt?: number
  by: string
  why?: string
}

/** The latest changes of an episode, oldest first. */
export function historyOf({ history = [] }: Episode): HistoryView[] {
  return history.map(({ atMs, what, from, to, attempt, by, why }) => ({
    at: rfc3339(atMs),
    what,
    ...(from !== undefined && { from }),
    to,
    ...(attempt !== undefined && { attempt }),
    by,
    ...(why !== undefined && { why }),
  }))
}

/** 0 to 1: finished steps count in full, a step at work counts half of its share. */
function progressOf(episode: Episode): number {
  if (episode.status === 'ready') return 1
  const share = (name: StepName) => {
    const { state } = episode.steps[name]
    if (state === 'done' || state === 'skipped') return PROGRESS_SHARE[name]
    return state === 'running' || state === 'waiting' ? PROGRESS_SHARE[name] / 2 : 0
  }
  return Math.round(STEPS.reduce((sum, name) => sum + share(name), 0) * 1000) / 1000
}

function stepView(step: Step): StepView {
  return {
    state: step.state,
    attempt: step.attempt,
    ...(step.startedAtMs !== undefined && { startedAt: rfc3339(step.startedAtMs) }),
    ...(step.finishedAtMs !== undefined && { finishedAt: rfc3339(step.finishedAtMs) }),
    ...(step.activity && { activity: { at: rfc3339(step.activity.atMs), what: step.activity.what } }),
    ...(step.degraded !== undefined && { degraded: step.degraded }),
    ...(step.paid !== undefined && step.paid.repeats > 0 && { repeatedCalls: step.paid.repeats }),
    ...(step.error && { error: faultView(step.error) }),
  }
}

function faultView({ code, message, retryable, error_id, technical_message }: EpisodeFault): EpisodeFault {
  return { code, message, ...(technical_message !== undefined && { technical_message }), retryable, error_id }
}

function rfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
