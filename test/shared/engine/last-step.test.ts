import { describe, expect, test } from 'vitest'

import { decideSweep } from '../../../shared/engine/sweep/decide.ts'
import type { SweepRules } from '../../../shared/engine/sweep/due.ts'
import type { StepSpec } from '../../../shared/engine/definition.ts'
import { definePipeline } from '../../../shared/engine/definition.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import { freshSteps } from '../../../shared/engine/transitions/moved.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import type { Workflow } from '../../../shared/engine/workflow.ts'

const work: StepSpec = { name: 'work', after: [], redoneWith: [], kind: 'job', share: 1 }
const tell: StepSpec = { name: 'tell', after: [work], redoneWith: [work], kind: 'plain', share: 1, skips: () => true }
const PIPELINE = definePipeline([work, tell])
const RULES: SweepRules = {
  stalledStepMs: 150_000,
  stuckAfterMs: 3_600_000,
  deadlineMs: 24 * 3_600_000,
  stepLeaseMs: 30_000,
  orphanAgeMs: 24 * 3_600_000,
  mayHoldFiles: () => false,
}
const PROVIDERS = [
  { name: 'first', kind: 'job' },
  { name: 'second', kind: 'job' },
] as const

function fresh(): Workflow {
  const steps = freshSteps(PIPELINE)
  return { id: 'w', status: 'draft', generation: 0, steps, results: {}, createdAtMs: 0, updatedAtMs: 0 }
}

function claimWork(workflow: Workflow, dispatch = 1, nowMs = 2) {
  const claimed = claim<Workflow>(
    PIPELINE,
    workflow,
    {
      task: { step: 'work', generation: 1, dispatch },
      token: `t${nowMs}`,
      leaseMs: 30_000,
      providers: PROVIDERS,
      newJob: { key: 'new', webhookToken: '' },
      errorId: 'e',
      mayFallBack: false,
    },
    nowMs,
  )
  if (claimed.kind !== 'claimed') throw new Error(`expected a claim, got ${claimed.kind}`)
  return claimed
}

describe('a workflow whose last step nobody asked for', () => {
  test('is ready when every other step is done', () => {
    const { moved, fence } = claimWork(start(PIPELINE, fresh(), {}, 1).next)
    const outcome = { kind: 'done', result: {}, by: undefined, degraded: undefined } as const
    const settled = settle(PIPELINE, moved.next, { fence, outcome, cost: undefined }, 3)
    expect(settled?.next).toMatchObject({ status: 'ready', steps: { tell: { state: 'skipped' } } })
    expect(settled?.tasks).toEqual([])
  })
})

test('a workflow in processing that has nothing to do any more is ended by the sweep, and stops none', () => {
  const done = { state: 'done', attempt: 1, dispatch: 1 } as const
  const begun = start(PIPELINE, fresh(), {}, 1).next
  const odd: Workflow = { ...begun, steps: { work: done, tell: { ...done, state: 'skipped' } } }
  const context = {
    pipeline: PIPELINE,
    rules: RULES,
    evidence: { lastResult: undefined, whereIs: () => ({ kind: 'gone' as const }) },
    errorId: 'e',
  }
  const decision = decideSweep(odd, context, 100 * 3_600_000)
  expect(decision).toMatchObject({ kind: 'move', moved: { next: { status: 'error' } } })
})

describe('a job', () => {
  const begun = start(PIPELINE, fresh(), {}, 1).next
  const withWork = (more: object): Workflow => ({
    ...begun,
    steps: { ...begun.steps, work: { state: 'pending', attempt: 0, dispatch: 1, ...more } },
  })

  test('is asked for where it was made, whichever provider comes first', () => {
    const job = { key: 'k', webhookToken: '', provider: 'second', providerJobId: 'j2', polls: 1 }
    const { provider, moved } = claimWork(withWork({ job }))
    expect(provider?.name).toBe('second')
    expect(moved.next.steps['work']?.job).toMatchObject({ providerJobId: 'j2' })
  })

  test('of a provider that this step has given up on is not asked for at another', () => {
    const job = { key: 'k', webhookToken: '', provider: 'second', providerJobId: 'j2', polls: 1 }
    const { provider, moved, resumesIntent } = claimWork(withWork({ job, passedOver: ['second'] }))
    expect(provider?.name).toBe('first')
    expect(moved.next.steps['work']?.job).toEqual({ key: 'new', webhookToken: '', provider: 'first', polls: 0 })
    expect(resumesIntent).toBe(false)
  })
})
