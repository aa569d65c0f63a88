import fc from 'fast-check'
import { expect, test } from 'vitest'

import { changedFields } from '../../../shared/store/changed-fields.ts'

const document = fc.dictionary(
  fc.constantFrom('a', 'b', 'c'),
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.integer(),
      fc.string(),
      fc.array(fc.integer()),
      fc.dictionary(fc.constantFrom('x', 'y'), tie('value')),
    ),
  })).value,
)

function apply(base: Record<string, unknown>, changes: ReturnType<typeof changedFields>): Record<string, unknown> {
  const copy = structuredClone(base)
  for (const { path, value } of changes) {
    const parents = path.slice(0, -1)
    const last = path.at(-1) ?? ''
    const holder = parents.reduce<Record<string, unknown>>(
      (map, key) => (map[key] ??= {}) as Record<string, unknown>,
      copy,
    )
    if (value === undefined) delete holder[last]
    else holder[last] = value
  }
  return copy
}

test('applied to the old version, the changes make the new one', () => {
  fc.assert(
    fc.property(document, document, (before, after) => {
      expect(apply(before, changedFields(before, after))).toEqual(after)
    }),
    { verbose: 1 },
  )
})

test('what did not change is not touched, so that a field of a newer version survives', () => {
  const before = { steps: { write: { state: 'pending', attempt: 0 }, voice: { state: 'done' } } }
  const after = { steps: { write: { state: 'running', attempt: 0 }, voice: { state: 'done' } } }
  expect(changedFields(before, after)).toEqual([{ path: ['steps', 'write', 'state'], value: 'running' }])
})
