import { describe, expect, test } from 'vitest'

import { definePipeline, redoSetOf } from '../../../shared/engine/definition.ts'
import { mayFallBack } from '../../../shared/engine/execution.ts'
import { PIPELINE, stepNamed } from '../../../shared/podcast/pipeline.ts'
import type { StepName } from '../../../shared/podcast/pipeline.ts'
import { carryOutAll, claimStep, draft, started, taskFor } from './episode-fixtures.ts'

/** The podcast's own pipeline: what waits for what, what is passed over, and what can be done without. */

describe('the pipeline', () => {
  test('takes no step that waits for others and forgets to say what it is done again with', () => {
    const spec = { kind: 'plain', share: 1 } as const
    const first = { ...spec, name: 'first', after: [], redoneWith: [] }
    const silent = { ...spec, name: 'silent', after: [first], redoneWith: [] }
    expect(() => definePipeline([first, silent])).toThrow('silent waits for others, and does not say')
    const outspoken = { ...silent, redoneWith: 'nothing' } as const
    expect([...redoSetOf(definePipeline([first, outspoken]), 'first')]).toEqual(['first'])
  })

  test('goes transcribe, then write and voice in parallel, then master, then finish', () => {
    expect(carryOutAll(started())).toMatchObject({
      ready: [
        ['start', ['transcribe']],
        ['transcribe', ['write', 'voice']],
        ['write', []],
        ['voice', ['master']],
        ['master', ['finish']],
        ['finish', []],
      ],
      end: { status: 'ready' },
    })
  })

  test('passes over the voice when no intro was asked for', () => {
    const { ready, end } = carryOutAll(started({}))
    expect(ready.slice(1, 3)).toEqual([
      ['transcribe', ['write']],
      ['write', ['master']],
    ])
    expect(end.steps.voice.state).toBe('skipped')
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

  test.each(PIPELINE.filter((step) => 'forget' in step))(
    'knows what $name keeps elsewhere of a result that is damaged in all else',
    ({ result, substitutes = {} }) => {
      const fields = Object.entries(substitutes).filter(([path]) => !path.includes('.'))
      expect(result.safeParse({ ...Object.fromEntries(fields), cacheKey: 'k' })).toMatchObject({ success: true })
    },
  )

  test('makes no job for a transcript that its owner brings', () => {
    const moved = started()
    const task = taskFor(moved, 'transcribe')
    expect(claimStep(moved.next, task, 3).workflow.steps.transcribe).toHaveProperty('job')
    const brought = { ...moved.next, handTranscript: { key: 'h', timed: false } }
    expect(claimStep(brought, task, 3).workflow.steps.transcribe).not.toHaveProperty('job')
  })
})
