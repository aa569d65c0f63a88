import { describe, expect, test } from 'vitest'

import { redoSetOf } from '../../../shared/engine/definition.ts'
import { mayFallBack } from '../../../shared/engine/execution.ts'
import { PIPELINE, stepNamed } from '../../../shared/podcast/pipeline.ts'
import type { StepName } from '../../../shared/podcast/pipeline.ts'
import { carryOut, claimStep, draft, started, taskFor } from './episode-fixtures.ts'

/** The podcast's own pipeline: what waits for what, what is passed over, and what can be done without. */

describe('the pipeline', () => {
  test('goes transcribe, then write and voice in parallel, then master, then finish', () => {
    let moved = started()
    expect(moved.tasks.map(({ step }) => step)).toEqual(['transcribe'])
    moved = carryOut(moved.next, taskFor(moved, 'transcribe'), 2)
    expect(moved.tasks.map(({ step }) => step)).toEqual(['write', 'voice'])
    const written = carryOut(moved.next, taskFor(moved, 'write'), 3)
    expect(written.tasks).toEqual([])
    moved = carryOut(written.next, taskFor(moved, 'voice'), 4)
    expect(moved.tasks.map(({ step }) => step)).toEqual(['master'])
    moved = carryOut(moved.next, taskFor(moved, 'master'), 5)
    moved = carryOut(moved.next, taskFor(moved, 'finish'), 6)
    expect(moved.next.status).toBe('ready')
    expect(moved.tasks).toEqual([])
  })

  test('passes over the voice when no intro was asked for', () => {
    let moved = started({})
    moved = carryOut(moved.next, taskFor(moved, 'transcribe'), 2)
    expect(moved.next.steps.voice.state).toBe('skipped')
    moved = carryOut(moved.next, taskFor(moved, 'write'), 3)
    expect(moved.tasks.map(({ step }) => step)).toEqual(['master'])
  })

  test.each([
    ['transcribe', ['transcribe', 'write', 'finish']],
    ['write', ['write', 'finish']],
    ['voice', ['voice', 'master', 'finish']],
    ['master', ['master', 'finish']],
  ] as const)('does again for another result of %s: %j', (step, again) => {
    expect([...redoSetOf(PIPELINE, step)]).toEqual(again)
  })

  test.each<[StepName, boolean]>([
    ['transcribe', false],
    ['write', true],
    ['voice', true],
    ['master', true],
    ['finish', false],
  ])('may do without the provider of %s: %s', (step, may) => {
    expect(mayFallBack(draft(), stepNamed(step), () => true)).toBe(may)
  })

  test('makes no job for a transcript that its owner brings', () => {
    const moved = started()
    const task = taskFor(moved, 'transcribe')
    expect(claimStep(moved.next, task, 3).episode.steps.transcribe).toHaveProperty('job')
    const brought = { ...moved.next, handTranscript: { key: 'h', timed: false } }
    expect(claimStep(brought, task, 3).episode.steps.transcribe).not.toHaveProperty('job')
  })
})
