import type { HistoryEntry, Step, Workflow } from './workflow.ts'

/** Who changed a workflow, and why: the owner, an attempt, a webhook or a sweep. */
export type Cause = { readonly by: string; readonly why?: string | undefined }

/** How many changes a workflow remembers; the oldest make room. */
const HISTORY_MAX = 60

/** What an attempt is known by outside: enough of its token to tell it from the others, and too little to be one. */
export function nameAttempt(token: string): string {
  return token.slice(0, 8)
}

/** What a history says of an attempt. */
export function byAttempt(token: string): string {
  return `attempt ${nameAttempt(token)}`
}

/**
 * The workflow after a change, with the change in its history. Waiting for a job is one entry, however often the
 * provider is asked; a renewed lease is none.
 * @param what the product's word for a workflow
 */
export function recordHistory<W extends Workflow>(
  before: Workflow | undefined,
  after: W,
  cause: Cause,
  what: string,
): W {
  const names = Object.keys(after.steps)
  const changes = [
    ...changesOfWorkflow(before, after, what),
    ...names.flatMap((name) => changesOfStep(before, after, name)),
  ]
  if (changes.length === 0) return after
  const entries = changes.map((change) => ({
    atMs: after.updatedAtMs,
    by: cause.by,
    ...change,
    ...(cause.why !== undefined && change.why === undefined && { why: cause.why }),
  }))
  return { ...after, history: [...(after.history ?? []), ...entries].slice(-HISTORY_MAX) }
}

type Changed = Pick<HistoryEntry, 'what' | 'from' | 'to' | 'attempt' | 'why' | 'sign'>

function changesOfWorkflow(before: Workflow | undefined, after: Workflow, what: string): Changed[] {
  if (before === undefined) return [{ what, to: after.status }]
  if (after.deletedAtMs !== undefined && before.deletedAtMs === undefined)
    return [{ what, from: before.status, to: 'deleted' }]
  const upgrade = changeOfUpgrade(before, after)
  if (upgrade !== undefined) return [upgrade]
  const again = after.status === before.status && after.generation !== before.generation
  if (after.status === before.status && !again) return []
  return [{ what, from: before.status, to: after.status, ...(after.error && { why: after.error.code }) }]
}

/** An upgrade begins, takes the place of what there was, or is given up. */
function changeOfUpgrade(before: Workflow, after: Workflow): Changed | undefined {
  if (before.upgrade === undefined && after.upgrade !== undefined)
    return { what: 'upgrade', to: 'running', why: `a better ${after.upgrade.step} is asked for` }
  if (before.upgrade === undefined || after.upgrade !== undefined) return undefined
  const replaces = after.generation === before.upgrade.generation
  return { what: 'upgrade', from: 'running', to: replaces ? 'done' : 'given up' }
}

function changesOfStep(before: Workflow | undefined, after: Workflow, name: string): Changed[] {
  const [was, is] = [before?.steps[name], after.steps[name]]
  if (was === undefined || is === undefined || lastSign(after, name) === signOf(is)) return []
  const asksForJob = was.state === 'waiting' && is.state === 'running' && was.attempt === is.attempt
  const differs = signOf(was) !== signOf(is)
  if (!differs || asksForJob) return []
  // An error stays on the step while another attempt, or another provider, is at it: it is the reason of one change alone.
  const error = is.error?.error_id === was.error?.error_id ? undefined : is.error
  const why = error?.technical_message ?? error?.code ?? is.degraded
  return [
    {
      what: name,
      from: was.state,
      to: is.state,
      ...(is.attempt > 0 && { attempt: is.attempt }),
      ...(why !== undefined && { why }),
      sign: signOf(is),
    },
  ]
}

/** What the history said last about a step. */
function lastSign({ history = [] }: Workflow, name: string): string | undefined {
  return history.findLast(({ what }) => what === name)?.sign
}

/** Two versions of a step with one sign have nothing to tell apart. */
function signOf({ state, attempt, unavailable }: Step): string {
  return `${state}.${attempt}${state === 'waiting' && unavailable ? `.${unavailable.service}` : ''}`
}
