import type { Problem } from '../engine/problem.ts'
import type { Step } from '../engine/workflow.ts'
import type { Episode, EpisodeStatus } from './episode.ts'
import type { OutputUrls } from './links.ts'
import { PIPELINE, STEP_NAMES } from './pipeline.ts'
import type { StepName } from './pipeline.ts'
import { AUTO } from './words/language.ts'
import { shiftChapters } from './words/notes.ts'

export type StepView = {
  state: Step['state']
  attempt: number
  startedAt?: string
  finishedAt?: string
  /** Who does it, or did: a vendor, `here` for a fallback of ours, or `hand`. */
  provider?: string
  degraded?: string
  /** What it is at, for steps that take long. */
  activity?: { at: string; what: string }
  /** Paid calls and jobs that may be charged although they gave nothing, and others were made for; absent: none. */
  repeatedCalls?: number
  error?: Problem
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
  outputs?: Partial<OutputUrls> & {
    notes: { title: string; description: string; chapters: { startSeconds: number; title: string }[]; tags: string[] }
  }
  /**
   * Provider to unit to amount, as providers measure it. A call whose end nobody saw may have been charged: it is told as
   * one call, at what the same has cost when it was asked again. So this is never less than was charged, and more only by
   * a call that was lost before it left.
   */
  costs?: Record<string, Record<string, number>>
  error?: Problem
  createdAt: string
  updatedAt: string
}

/** The episode as its owner sees it. `urls` are the signed links; lists go without. */
export function viewOf(episode: Episode, urls?: OutputUrls): EpisodeView {
  // Of a damaged document the notes may be gone, and what there is to hear is not.
  const notes = episode.results.write?.notes ?? { title: episode.title, description: '', chapters: [], tags: [] }
  const waiting = STEP_NAMES.map((name) => episode.steps[name]).find(
    ({ state, unavailable }) => state === 'waiting' && unavailable,
  )?.unavailable
  return {
    id: episode.id,
    title: episode.title,
    language: languageOf(episode),
    status: episode.status,
    progress: progressOf(episode),
    generation: episode.generation,
    steps: Object.fromEntries(STEP_NAMES.map((name) => [name, viewOfStep(episode.steps[name])])) as Record<
      StepName,
      StepView
    >,
    ...(waiting && { waitingFor: { provider: waiting.service, until: rfc3339(waiting.untilMs) } }),
    degraded: STEP_NAMES.filter((name) => episode.steps[name].degraded !== undefined),
    ...(episode.status === 'ready' && {
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
    ...(episode.error && { error: viewOfProblem(episode.error) }),
    createdAt: rfc3339(episode.createdAtMs),
    updatedAt: rfc3339(episode.updatedAtMs),
  }
}

/** What its owner said; of one that was to be heard, what was heard, once it was. */
function languageOf({ language, results }: Episode): string {
  return language === AUTO ? (results.transcribe?.language ?? language) : language
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
  const all = PIPELINE.reduce((sum, { share }) => sum + share, 0)
  const done = PIPELINE.reduce((sum, { name, share }) => {
    const { state } = episode.steps[name]
    if (state === 'done' || state === 'skipped') return sum + share
    return state === 'running' || state === 'waiting' ? sum + share / 2 : sum
  }, 0)
  return Math.round((done / all) * 1000) / 1000
}

function viewOfStep(step: Step): StepView {
  return {
    state: step.state,
    attempt: step.attempt,
    ...(step.startedAtMs !== undefined && { startedAt: rfc3339(step.startedAtMs) }),
    ...(step.finishedAtMs !== undefined && { finishedAt: rfc3339(step.finishedAtMs) }),
    ...(step.activity && { activity: { at: rfc3339(step.activity.atMs), what: step.activity.what } }),
    ...(step.provider !== undefined && { provider: step.provider }),
    ...(step.degraded !== undefined && { degraded: step.degraded }),
    ...(repeatedCalls(step) > 0 && { repeatedCalls: repeatedCalls(step) }),
    ...(step.error && { error: viewOfProblem(step.error) }),
  }
}

/** Calls and jobs that may be charged although they gave nothing, and that others were made for. */
function repeatedCalls({ paid, lostJobs = [], startsInVain = 0 }: Step): number {
  const abandoned = lostJobs.filter(({ providerJobId }) => providerJobId !== undefined)
  return (paid?.repeats ?? 0) + (paid?.writtenOff ?? 0) + abandoned.length + startsInVain
}

function viewOfProblem({ code, message, retryable, error_id, technical_message }: Problem): Problem {
  return { code, message, ...(technical_message !== undefined && { technical_message }), retryable, error_id }
}

function rfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
