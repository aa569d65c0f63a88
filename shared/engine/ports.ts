import type { StepTask } from './task.ts'
import type { Cause } from './history.ts'
import type { Workflow } from './workflow.ts'

/* What the engine needs of the world. Real implementations: shared/store and shared/tasks; in memory: test/shared/engine. */

/** What a change is to be: `next` absent leaves the workflow alone; `cause` goes into its history. */
export type Change<W extends Workflow> = { readonly next?: W | undefined; readonly cause?: Cause | undefined }

/** A workflow as it was at one moment; `version` is the store's own. */
export type Seen<W extends Workflow> = { readonly workflow: W; readonly version: unknown }

/** One workflow that is due; `seen` is undefined for a document that nobody can read. */
export type Due<W extends Workflow> = {
  readonly id: string
  readonly seen: Seen<W> | undefined
  /** Lets the sweep come back later, unless the document has changed since it was read. */
  readonly postpone: (untilMs: number) => Promise<void>
}

export type WorkflowStore<W extends Workflow> = {
  /**
   * Moves one workflow by compare-and-set. `decide` is given it as it is and the store's time, and may be asked several
   * times.
   * @param seen the version that was read last, where that was a moment ago
   * @returns what was decided last, and whose `next` is stored; undefined when there is no such workflow
   * @throws when the store is away, or others were faster too often
   */
  move<Decision extends Change<W>>(
    id: string,
    decide: (workflow: W, nowMs: number) => Decision,
    seen?: Seen<W>,
  ): Promise<Decision | undefined>
  /** Workflows whose `sweepAtMs` has come, longest due first, a page at a time. */
  due(nowMs: number, pageSize: number): AsyncIterable<readonly Due<W>[]>
}

export type TaskQueue = {
  /** Enqueues one task. One that is there already, or was, is left as it is. */
  enqueue(workflowId: string, task: StepTask): Promise<void>
  /** Where a task is at this moment. @throws when the queue cannot be asked */
  find(workflowId: string, task: StepTask): Promise<Whereabouts>
}

/**
 * Where a task is. `waiting`: in its queue, which may deliver it from `dueAtMs` on; that is the past where the queue is
 * slow or paused. It was delivered in vain since `triedSinceMs`; undefined: never. `delivering`: it was sent out then,
 * and nobody has answered yet. `gone`: carried out, given up, lost, or never enqueued. All times are the queue's own.
 */
export type Whereabouts =
  | { readonly kind: 'waiting'; readonly dueAtMs: number; readonly triedSinceMs: number | undefined }
  | { readonly kind: 'delivering'; readonly sinceMs: number }
  | { readonly kind: 'gone' }

/** Time as one process sees it: spans only, no date. */
export type Clock = {
  readonly monotonicMs: () => number
  readonly sleep: (delayMs: number) => Promise<void>
  /** Calls back again and again; @returns what ends it */
  readonly every: (periodMs: number, callback: () => void) => () => void
}

type Severity = 'INFO' | 'NOTICE' | 'WARNING' | 'ERROR'
/** Hears of everything worth a line in the log. */
export type Tell = (severity: Severity, event: string, fields: Record<string, unknown>) => void
