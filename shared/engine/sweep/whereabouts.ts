import type { TaskQueue, Whereabouts } from '../ports.ts'
import type { StepTask } from '../task.ts'
import { viewCurrent } from '../transitions/upgrade.ts'
import { stepOf } from '../workflow.ts'
import type { Workflow } from '../workflow.ts'
import { openSteps, stalledAtMs, stuckAtMs } from './due.ts'
import type { SweepRules } from './due.ts'

/* A queue that is slow or paused is not lost work: where a task is, is asked before it is taken for lost. */

/** Where a task was when its queue was asked; `unknown`: it was not asked, or did not answer. */
export type WhereIs = (task: StepTask) => Whereabouts | { readonly kind: 'unknown' }

/** What to think of a step that nobody has looked after in time. */
type Judgement =
  /** No queue has its task, or whoever took it is silent: only another task brings it on. */
  | { readonly kind: 'lost' }
  /** Its task comes by itself, or has just come. `triedSinceMs`: in vain since then. */
  | { readonly kind: 'queued'; readonly triedSinceMs?: number | undefined }
  /** Its task has been due for so long that its queue must be slow, or paused by an operator. */
  | { readonly kind: 'heldUp'; readonly dueAtMs: number }
  | { readonly kind: 'unknown' }

/** A workflow whose task is in a slow queue is looked at again after so long, in ms, at the latest. */
const LEFT_ALONE_MS_MAX = 900_000

/** The newest tasks of steps that are stalled, and of all that are open where the workflow is stuck. */
export function tasksInDoubt(workflow: Workflow, rules: SweepRules, nowMs: number): StepTask[] {
  const view = viewCurrent(workflow)
  if (view.status !== 'processing' || view.deletedAtMs !== undefined) return []
  return stepsInDoubt(view, rules, nowMs).map((name) => newestTask(view, name))
}

/** @param view of the generation that is at work */
export function stepsInDoubt(view: Workflow, rules: SweepRules, nowMs: number): string[] {
  const isStuck = stuckAtMs(view, rules) <= nowMs
  return openSteps(view).filter((name) => isStuck || stalledAtMs(view, name, rules) <= nowMs)
}

/** Clocks of store and queue are compared only where minutes lie between. */
export function judgeStep(
  view: Workflow,
  name: string,
  { whereIs, rules }: { readonly whereIs: WhereIs; readonly rules: SweepRules },
  nowMs: number,
): Judgement {
  const { state, lease } = stepOf(view, name)
  const found = whereIs(newestTask(view, name))
  switch (found.kind) {
    case 'unknown':
      return found
    case 'gone':
      return { kind: 'lost' }
    case 'waiting': {
      const { dueAtMs, triedSinceMs } = found
      return dueAtMs + rules.stalledStepMs > nowMs ? { kind: 'queued', triedSinceMs } : { kind: 'heldUp', dueAtMs }
    }
    case 'delivering': {
      // Who has had it since before the lease ended is the one that was not heard of.
      const isSilent = state === 'running' && found.sinceMs <= (lease?.untilMs ?? 0)
      return { kind: isSilent ? 'lost' : 'queued' }
    }
  }
}

/**
 * Whether a stuck workflow may end for all that is known of a step. Where its queue is paused or slow, or cannot be
 * asked, the workflow waits; and once its task comes at last, that has its time.
 */
export function isHopeless(judgement: Judgement, rules: SweepRules, nowMs: number): boolean {
  if (judgement.kind !== 'queued') return judgement.kind === 'lost'
  return judgement.triedSinceMs !== undefined && judgement.triedSinceMs + rules.stuckAfterMs <= nowMs
}

/**
 * When to look again at a workflow whose tasks are in their queues: the longer one has waited, the later, so that a
 * backlog of any size costs few writes. Never later than another of its steps may be stalled.
 */
export function lookAgainAtMs(
  view: Workflow,
  { judged, rules }: { readonly judged: ReadonlyMap<string, Judgement>; readonly rules: SweepRules },
  nowMs: number,
): number {
  const waitMs = (judgement: Judgement) =>
    judgement.kind === 'heldUp' ? Math.min(LEFT_ALONE_MS_MAX, (nowMs - judgement.dueAtMs) / 2) : 0
  const inDoubt = [...judged.values()].map((one) => nowMs + Math.max(rules.stalledStepMs, waitMs(one)))
  const others = openSteps(view).map((name) => stalledAtMs(view, name, rules))
  return Math.min(...inDoubt, ...others.filter((atMs) => atMs > nowMs))
}

/** Asks queues where tasks are, for one sweep. A step's queue that twice does not answer is not asked again. */
export class TaskInquiry {
  readonly #queue: TaskQueue
  readonly #silent = new Set<string>()
  readonly #hearOfSilence: (step: string, error: unknown) => void

  constructor(queue: TaskQueue, hearOfSilence: (step: string, error: unknown) => void) {
    this.#queue = queue
    this.#hearOfSilence = hearOfSilence
  }

  async ask(workflowId: string, tasks: readonly StepTask[]): Promise<WhereIs> {
    const answers = await Promise.all(
      tasks.map(async (task) => [nameOf(task), await this.#askAbout(workflowId, task)] as const),
    )
    const known = new Map(answers)
    return (task) => known.get(nameOf(task)) ?? { kind: 'unknown' }
  }

  async #askAbout(workflowId: string, task: StepTask): Promise<Whereabouts | undefined> {
    const { step } = task
    if (this.#silent.has(step)) return undefined
    const find = () => this.#queue.find(workflowId, task)
    try {
      // One call that fails is no silence, of which somebody would be told in the night.
      return await find().catch(find)
    } catch (error) {
      if (!this.#silent.has(step)) this.#hearOfSilence(step, error)
      this.#silent.add(step)
      return undefined
    }
  }
}

function newestTask(view: Workflow, name: string): StepTask {
  return { step: name, generation: view.generation, dispatch: stepOf(view, name).dispatch }
}

function nameOf({ step, generation, dispatch }: StepTask): string {
  return `${step} ${generation}.${dispatch}`
}
