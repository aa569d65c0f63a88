import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { LineFull, Slots } from '../../../shared/resilience/slots.ts'

const { signal } = new AbortController()

/** Asks for a place, and tells in `served` when it gets it. */
function ask(slots: Slots, person: string, served: string[], name = person): Promise<() => void> {
  const asked = slots.take(person, signal)
  asked.then(
    () => served.push(name),
    () => served.push(`${name} sent away`),
  )
  return asked
}

/** Lets everything that is settled be heard of. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('places that people share', () => {
  test('go to who holds fewest, then to whose turn is longest ago, then to who came first', async () => {
    const slots = new Slots(2)
    const served: string[] = []
    const leave = await Promise.all([ask(slots, 'ann', served), ask(slots, 'ann', served)])
    const waiting = ['ann 3', 'ann 4', 'bob 1', 'bob 2', 'eve 1'].map((name) =>
      ask(slots, name.slice(0, 3), served, name),
    )
    served.length = 0
    leave[0]?.()
    for (const one of [2, 4, 3]) (await waiting[one])?.()
    await settle()
    expect(served).toEqual(['bob 1', 'eve 1', 'bob 2', 'ann 3'])
  })

  test('with one place in line: it is the one’s who would be served first, and the others hear so at once', async () => {
    const slots = new Slots(1, { lineMax: 1 })
    const served: string[] = []
    const leave = await ask(slots, 'ann', served, 'ann 1')
    const second = ask(slots, 'ann', served, 'ann 2')
    await settle()
    await expect(ask(slots, 'ann', served, 'ann 3')).rejects.toThrow(LineFull)
    const other = ask(slots, 'bob', served)
    await expect(second).rejects.toThrow(LineFull)
    leave()
    await other
    expect(served).toEqual(['ann 1', 'ann 3 sent away', 'ann 2 sent away', 'bob'])
  })

  test('are left by who gives up waiting, with the reason', async () => {
    const slots = new Slots(1)
    const leave = await slots.take('ann', signal)
    const impatient = new AbortController()
    const waiting = slots.take('bob', impatient.signal)
    impatient.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    leave()
    leave()
    const again = await slots.take('bob', signal)
    await expect(slots.take('ann', AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
    again()
  })

  test('are never more than there are, and never free while somebody waits', async () => {
    const steps = fc.array(fc.record({ person: fc.constantFrom('a', 'b', 'c'), leaves: fc.nat() }), { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), steps, async (count, asked) => {
        const slots = new Slots(count)
        const inside: (() => void)[] = []
        let waiting = 0
        for (const { person, leaves } of asked) {
          waiting++
          void slots.take(person, signal).then((leave) => {
            waiting--
            inside.push(leave)
          })
          await settle()
          expect(inside.length).toBe(Math.min(count, inside.length + waiting))
          if (leaves % 3 === 0) inside.splice(leaves % inside.length, 1)[0]?.()
          await settle()
        }
      }),
    )
  })

  test('are had by a second person after one turn of the first, however much the first has waiting', async () => {
    const slots = new Slots(1)
    const served: string[] = []
    const many = Array.from({ length: 500 }, () => ask(slots, 'ann', served).then((leave) => setImmediate(leave)))
    const one = ask(slots, 'bob', served).then((leave) => setImmediate(leave))
    await Promise.all([...many, one])
    expect(served.indexOf('bob')).toBe(1)
  })

  test('are kept for others where a person may hold only so many', async () => {
    const slots = new Slots(2, { perPersonMax: 1 })
    const served: string[] = []
    const first = await ask(slots, 'ann', served, 'ann 1')
    void ask(slots, 'ann', served, 'ann 2')
    await settle()
    expect(served).toEqual(['ann 1'])
    const other = await ask(slots, 'bob', served)
    void ask(slots, 'bob', served, 'bob 2')
    first()
    await settle()
    expect(served).toEqual(['ann 1', 'bob', 'ann 2'])
    other()
    await settle()
    expect(served).toEqual(['ann 1', 'bob', 'ann 2', 'bob 2'])
  })
})
