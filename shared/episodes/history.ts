import { STEPS } from './steps.ts'
import type { StepName } from './steps.ts'
import type { Episode, HistoryEntry, Step } from './schema.ts'

/** Who changed an episode, and why: the owner, an attempt, a webhook or a sweep. */
export type Cause = { readonly by: string; readonly why?: string | undefined }

/** How many changes an episode remembers; the oldest make room. */
const HISTORY_MAX = 60

/** What a history says of an attempt: enough of its token to tell it from the others, and too little to be one. */
export function byAttempt(token: string): string {
  return `attempt ${token.slice(0, 8)}`
}

/**
 * The episode after a change, with the change in its history. Waiting for a job is one entry, however often the
 * provider is asked; a renewed lease is none.
 */
export function chronicled(before: Episode | undefined, after: Episode, cause: Cause): Episode {
  const changes = [...changesOfEpisode(before, after), ...STEPS.flatMap((name) => changesOfStep(before, after, name))]
  if (changes.length === 0) return after
  const entries = changes.map((change) => ({
    atMs: after.updatedAtMs,
    by: cause.by,
    ...change,
    ...(cause.why !== undefined && change.why === undefined && { why: cause.why }),
  }))
  return { ...after, history: [...(after.history ?? []), ...entries].slice(-HISTORY_MAX) }
}

type Change = Pick<HistoryEntry, 'what' | 'from' | 'to' | 'attempt' | 'why' | 'sign'>

function changesOfEpisode(before: Episode | undefined, after: Episode): Change[] {
  if (before === undefined) return [{ what: 'episode', to: after.status }]
  if (after.deletedAtMs !== undefined && before.deletedAtMs === undefined)
    return [{ what: 'episode', from: before.status, to: 'deleted' }]
  const upgraded = changeOfUpgrade(before, after)
  if (upgraded !== undefined) return [upgraded]
  const again = after.status === before.status && after.generation !== before.generation
  if (after.status === before.status && !again) return []
  return [{ what: 'episode', from: before.status, to: after.status, ...(after.error && { why: after.error.code }) }]
}

/** An upgrade begins, takes the place of what there was, or is given up. */
function changeOfUpgrade(before: Episode, after: Episode): Change | undefined {
  if (before.upgrade === undefined && after.upgrade !== undefined)
    return { what: 'upgrade', to: 'running', why: `a better ${after.upgrade.step} is asked for` }
  if (before.upgrade === undefined || after.upgrade !== undefined) return undefined
  const taken = after.generation === before.upgrade.generation
  return { what: 'upgrade', from: 'running', to: taken ? 'done' : 'given up' }
}

function changesOfStep(before: Episode | undefined, after: Episode, name: StepName): Change[] {
  const [was, is] = [before?.steps[name], after.steps[name]]
  if (was === undefined || told(after, name) === sign(is)) return []
  const asksForJob = was.state === 'waiting' && is.state === 'running' && was.attempt === is.attempt
  const moved = sign(was) !== sign(is)
  if (!moved || asksForJob) return []
  const why = is.error?.technical_message ?? is.error?.code ?? is.degraded
  return [
    {
      what: name,
      from: was.state,
      to: is.state,
      ...(is.attempt > 0 && { attempt: is.attempt }),
      ...(why !== undefined && { why }),
      sign: sign(is),
    },
  ]
}

/** What the history said last about a step. */
function told({ history = [] }: Episode, name: StepName): string | undefined {
  return history.findLast(({ what }) => what === name)?.sign
}

/** Two versions of a step with one sign have nothing to tell apart. */
function sign({ state, attempt, unavailable }: Step): string {
  return `${state}.${attempt}${state === 'waiting' && unavailable ? `.${unavailable.provider}` : ''}`
}
