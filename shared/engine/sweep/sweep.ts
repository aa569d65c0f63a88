import type { Pipeline } from '../definition.ts'
import type { Due, Seen, TaskQueue, Tell, WorkflowStore } from '../ports.ts'
import { enqueueAll } from '../enqueue.ts'
import type { Workflow } from '../workflow.ts'
import { decideSweep, needsEvidence } from './decide.ts'
import type { Evidence, SweepDecision } from './decide.ts'
import type { SweepRules } from './due.ts'
import { TaskInquiry, tasksInDoubt } from './whereabouts.ts'

const PAGE_SIZE = 100
const AT_ONCE = 8
/** No new page is begun after this; what is left is still due for the next sweep. */
const BUDGET_MS = 50_000
/** How many decisions an answer and a record hold; the counts are of all. */
const DECISIONS_MAX = 500
/** A document that cannot be read, or failed, must not be at the head of every sweep. */
const FAILED_PAUSE_MS = 600_000

/** What a sweep is given: everything of the world that it uses. */
export type SweepOptions<W extends Workflow> = {
  readonly pipeline: Pipeline
  readonly store: WorkflowStore<W>
  readonly queue: TaskQueue
  readonly rules: SweepRules
  readonly now: () => number
  readonly newId: () => string
  readonly tell: Tell
  /** The last step's result, if every part of it is in storage. */
  readonly findLastResult: (workflow: W) => Promise<unknown>
  /** Ends a deletion that was begun. */
  readonly remove: (workflowId: string, signal: AbortSignal) => Promise<void>
  /** Rids a workflow that has ended of what it does not refer to. */
  readonly tidy: (workflowId: string, signal: AbortSignal) => Promise<void>
  readonly save: (sweepId: string, record: SweepRecord, nowMs: number) => Promise<void>
}

type SweepEntry = {
  workflowId: string
  step: string | null
  action: 'none' | 'requeue' | 'finish' | 'error'
  reason: string
  /** How long it had been due when it was found, in seconds. */
  detectedAfterSeconds?: number
}

export type SweepReport = {
  sweepId: string
  checked: number
  /** Workflows that something was done about. */
  stuck: number
  requeued: number
  finished: number
  markedError: number
  /** Fallbacks' results whose provider is asked for better ones, or not any more. */
  upgraded: number
  /** Deleted workflows removed for good, and ended ones rid of what they do not refer to. */
  cleaned: number
  failed: number
  dryRun: boolean
  /** Time was up, and the next sweep goes on. */
  more: boolean
  workflows: SweepEntry[]
}

/** What is kept of a sweep. */
type SweepRecord = SweepReport & { startedAtMs: number; tookMs: number }

/**
 * Looks at every workflow that is due, each on its own: one that fails stops none of the others. A sweep that dies
 * half-way has done some of them, and the next does the rest; two at once decide on the same documents by
 * compare-and-set, and the second finds nothing left to do.
 */
export async function sweep<W extends Workflow>(
  options: SweepOptions<W>,
  { dryRun }: { readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<SweepReport> {
  const { store, now, newId, tell, save } = options
  const startedAtMs = now()
  const report = emptyReport(`${sortableTime(startedAtMs)}-${newId().slice(0, 8)}`, dryRun)
  const inquiry = new TaskInquiry(options.queue, (step, error) => {
    report.failed++
    tell('ERROR', 'sweep.queue_silent', { sweepId: report.sweepId, step, error })
  })
  const asking = { ...options, inquiry }
  for await (const page of store.due(startedAtMs, PAGE_SIZE)) {
    const queue = page.values()
    const lane = async () => {
      for (const due of queue) {
        if (signal.aborted) return
        await lookAt(asking, due, report, signal)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    report.more = signal.aborted || (page.length === PAGE_SIZE && now() - startedAtMs > BUDGET_MS)
    if (report.more) break
  }
  const { workflows, ...counts } = report
  const tookMs = now() - startedAtMs
  tell(report.failed > 0 ? 'WARNING' : 'INFO', 'sweep.ended', { ...counts, tookMs })
  if (!dryRun) await save(report.sweepId, { ...counts, startedAtMs, tookMs, workflows }, now())
  return report
}

function emptyReport(sweepId: string, dryRun: boolean): SweepReport {
  const counts = { checked: 0, stuck: 0, requeued: 0, finished: 0, markedError: 0, upgraded: 0, cleaned: 0, failed: 0 }
  return { sweepId, ...counts, dryRun, more: false, workflows: [] }
}

function sortableTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replaceAll(/[:.]/g, '-')
}

type AskingOptions<W extends Workflow> = SweepOptions<W> & { readonly inquiry: TaskInquiry }

async function lookAt<W extends Workflow>(
  options: AskingOptions<W>,
  due: Due<W>,
  report: SweepReport,
  signal: AbortSignal,
): Promise<void> {
  const { now, tell } = options
  report.checked++
  try {
    if (due.seen === undefined) throw new Error('the document is not a workflow as we know it')
    const decision = report.dryRun
      ? await decideAlone(options, due.seen.workflow)
      : await carryOut(options, due.seen, report.sweepId, signal)
    if (decision.kind === 'wait' && decision.untilMs !== undefined && !report.dryRun)
      await due.postpone(decision.untilMs)
    addToReport(options, report, { id: due.id, decision })
  } catch (error) {
    report.failed++
    tell('ERROR', 'sweep.failed', { sweepId: report.sweepId, workflowId: due.id, error })
    const reason = 'it could not be looked at; see the log'
    addEntry(report, { workflowId: due.id, step: null, action: 'none', reason })
    // One that was cut off has not failed: it is due again at once.
    if (!report.dryRun && !signal.aborted) await due.postpone(now() + FAILED_PAUSE_MS).catch(() => undefined)
  }
}

async function decideAlone<W extends Workflow>(options: AskingOptions<W>, workflow: W): Promise<SweepDecision<W>> {
  const { pipeline, rules, now, newId } = options
  const evidence = await findEvidence(options, workflow)
  return decideSweep(workflow, { pipeline, rules, evidence, errorId: newId() }, now())
}

async function carryOut<W extends Workflow>(
  options: AskingOptions<W>,
  seen: Seen<W>,
  sweepId: string,
  signal: AbortSignal,
): Promise<SweepDecision<W>> {
  const { store, queue, pipeline, rules, newId } = options
  const { id } = seen.workflow
  const context = { pipeline, rules, evidence: await findEvidence(options, seen.workflow), errorId: newId() }
  const landed = await store.move(
    id,
    (workflow, nowMs) => {
      const decision = decideSweep(workflow, context, nowMs)
      if (decision.kind !== 'move') return { decision }
      const why = decision.cures.map(({ reason }) => reason).join('; ')
      return { decision, next: decision.moved.next, cause: { by: `sweep ${sweepId}`, why } }
    },
    seen,
  )
  const decision: SweepDecision<W> = landed?.decision ?? { kind: 'none', reason: 'it is gone' }
  if (decision.kind === 'move') await enqueueAll(queue, id, decision.moved.tasks)
  if (decision.kind === 'remove') await options.remove(id, signal)
  if (decision.kind === 'tidy') await options.tidy(id, signal)
  return decision
}

async function findEvidence<W extends Workflow>(options: AskingOptions<W>, workflow: W): Promise<Evidence> {
  const { pipeline, rules, now, findLastResult, inquiry } = options
  const nowMs = now()
  const lastResult = needsEvidence(pipeline, workflow, rules, nowMs) ? await findLastResult(workflow) : undefined
  const inDoubt = lastResult === undefined ? tasksInDoubt(workflow, rules, nowMs) : []
  return { lastResult, whereIs: await inquiry.ask(workflow.id, inDoubt) }
}

const COUNTS = { requeue: 'requeued', finish: 'finished', error: 'markedError' } as const

function addToReport<W extends Workflow>(
  { tell }: Pick<SweepOptions<W>, 'tell'>,
  report: SweepReport,
  { id: workflowId, decision }: { id: string; decision: SweepDecision<W> },
): void {
  if (decision.kind === 'remove' || decision.kind === 'tidy') report.cleaned++
  if (decision.kind !== 'move')
    return addEntry(report, { workflowId, step: null, action: 'none', reason: decision.reason })
  if (decision.cures.some(({ action }) => action !== 'upgrade')) report.stuck++
  for (const { step, action, reason, overdueMs } of decision.cures) {
    const detectedAfterSeconds = Math.round(overdueMs / 100) / 10
    if (action === 'upgrade') {
      // Nothing is wrong with a workflow that is upgraded.
      report.upgraded++
      addEntry(report, { workflowId, step, action: 'none', reason, detectedAfterSeconds })
      continue
    }
    report[COUNTS[action]]++
    const entry = { workflowId, step, action, reason, detectedAfterSeconds }
    addEntry(report, entry)
    const { sweepId, dryRun } = report
    tell(action === 'error' ? 'ERROR' : 'NOTICE', 'sweep.decided', { sweepId, dryRun, ...entry })
  }
}

function addEntry(report: SweepReport, entry: SweepEntry): void {
  if (report.workflows.length < DECISIONS_MAX) report.workflows.push(entry)
}
