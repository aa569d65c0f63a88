import type { Pipeline } from '../../../shared/engine/definition.ts'
import type { Outcome } from '../../../shared/engine/outcome.ts'
import type { Problem } from '../../../shared/engine/problem.ts'
import type { StepTask } from '../../../shared/engine/task.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import type { Claim, ClaimEvent, ProviderChoice } from '../../../shared/engine/transitions/claim.ts'
import type { Fence, Moved } from '../../../shared/engine/transitions/moved.ts'
import { renew } from '../../../shared/engine/transitions/renew.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import type { Workflow } from '../../../shared/engine/workflow.ts'

export const PROBLEM: Problem = { code: 'attempts_exhausted', message: 'gave up', retryable: true, error_id: 'e1' }
export const LEASE_MS = 20_000
export const FAILED: Outcome = { kind: 'failed', problem: PROBLEM, call: 'ended' }

/** A step in the hands of an attempt. */
export type Held<W extends Workflow> = { readonly workflow: W; readonly fence: Fence; readonly resumesIntent: boolean }

/** What a test can do to the workflows of a pipeline, one transition at a time. */
export function handsOn<W extends Workflow, Name extends string>(
  pipeline: Pipeline,
  {
    providersOf,
    resultOf,
  }: {
    readonly providersOf: (step: string) => readonly ProviderChoice[]
    readonly resultOf: (step: Name) => unknown
  },
) {
  function claimEvent(task: StepTask, token: string, more: Partial<ClaimEvent> = {}): ClaimEvent {
    return {
      task,
      token,
      leaseMs: LEASE_MS,
      providers: providersOf(task.step),
      newJob: { key: 'job', webhookToken: 'hook' },
      errorId: PROBLEM.error_id,
      mayFallBack: false,
      ...more,
    }
  }

  /** What comes of asking for a step. */
  function askFor(workflow: W, task: StepTask, nowMs: number, more: Partial<ClaimEvent> = {}): Claim<W> {
    return claim<W>(pipeline, workflow, claimEvent(task, `token-${nowMs}`, more), nowMs)
  }

  /** An attempt that has sent nothing yet. */
  function holdStep(workflow: W, task: StepTask, nowMs: number, more: Partial<ClaimEvent> = {}): Held<W> {
    const asked = askFor(workflow, task, nowMs, more)
    if (asked.kind !== 'claimed') throw new Error(`expected a claim, got ${asked.kind}`)
    return { workflow: asked.moved.next, fence: asked.fence, resumesIntent: asked.resumesIntent }
  }

  /** An attempt that has recorded its call, where its provider is called. */
  function claimStep(workflow: W, task: StepTask, nowMs: number, more: Partial<ClaimEvent> = {}): Held<W> {
    const asked = askFor(workflow, task, nowMs, more)
    const held = holdStep(workflow, task, nowMs, more)
    if (asked.kind !== 'claimed' || asked.provider?.kind !== 'call' || asked.todo !== 'run') return held
    const call = { provider: asked.provider.name, cost: { calls: 1 } }
    const event = { fence: held.fence, leaseMs: LEASE_MS, job: {}, activity: undefined, call }
    const moved = renew(pipeline, held.workflow, event, nowMs)
    if (moved === undefined) throw new Error('the step is held by another attempt')
    return { ...held, workflow: moved.next }
  }

  function settleStep({ workflow, fence }: Omit<Held<W>, 'resumesIntent'>, outcome: Outcome, nowMs: number): Moved<W> {
    const moved = settle(pipeline, workflow, { fence, outcome, cost: undefined }, nowMs)
    if (moved === undefined) throw new Error('the step is held by another attempt')
    return moved
  }

  function doneAs(step: Name): Outcome {
    return { kind: 'done', result: resultOf(step), by: undefined, degraded: undefined }
  }

  /** Carries out one task at once and successfully. */
  function carryOut(workflow: W, task: StepTask, nowMs: number): Moved<W> {
    return settleStep(claimStep(workflow, task, nowMs), doneAs(task.step as Name), nowMs)
  }

  function taskFor({ tasks }: Pick<Moved<W>, 'tasks'>, step: Name): StepTask {
    const task = tasks.find((one) => one.step === step)
    if (task === undefined) throw new Error(`no task for ${step}`)
    return task
  }

  /** Carries out tasks in the order in which they were made. @returns which steps became ready with which */
  function carryOutAll(started: Moved<W>): { readonly end: W; readonly ready: [step: string, next: string[]][] } {
    const namesOf = (tasks: readonly StepTask[]) => tasks.map(({ step }) => step)
    const waiting = [...started.tasks]
    const ready: [string, string[]][] = [['start', namesOf(waiting)]]
    let end = started.next
    for (let task = waiting.shift(), nowMs = 2; task !== undefined; task = waiting.shift(), nowMs++) {
      const { next, tasks } = carryOut(end, task, nowMs)
      end = next
      waiting.push(...tasks)
      ready.push([task.step, namesOf(tasks)])
    }
    return { end, ready }
  }

  return { claimEvent, askFor, holdStep, claimStep, settleStep, doneAs, carryOut, carryOutAll, taskFor }
}
