import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { LineWriter } from '../../../shared/telemetry/line-writer.ts'

const full = () => Object.assign(new Error('full'), { code: 'EAGAIN' })

describe('a reader that takes what it likes, when it likes', () => {
  test('gets every line once, in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.array(fc.integer({ min: -3, max: 40 })),
        (lines, takes) => {
          let turn = 0
          const got: Buffer[] = []
          const writer = new LineWriter((bytes, offset) => {
            const take = takes[turn++ % Math.max(1, takes.length)] ?? 5
            // Full now; a reader that never takes anything has its own test.
            if (take <= 0 && turn % 2 === 0) throw full()
            const part = bytes.subarray(offset, offset + Math.max(1, take))
            got.push(Buffer.from(part))
            return part.length
          })
          for (const line of lines) writer.add(line)
          for (let round = 0; round < 10_000 && !writer.flush(); round++);
          expect(Buffer.concat(got).toString()).toBe(lines.map((line) => `${line}\n`).join(''))
        },
      ),
    )
  })

  test('and is gone is not waited for', () => {
    const writer = new LineWriter(() => {
      throw Object.assign(new Error('gone'), { code: 'EPIPE' })
    })
    writer.add('one')
    expect(writer.flush()).toBe(true)
    expect(writer.droppedLines).toBe(1)
  })

  test('and never takes anything is waited for, but not for ever', () => {
    let waitedMs = 0
    const writer = new LineWriter(
      () => {
        throw full()
      },
      (waitMs) => (waitedMs += waitMs),
    )
    writer.add('one')
    writer.flushAndWait()
    expect(writer.droppedLines).toBe(1)
    // Long enough for a reader that is only slow, and well within the time that an ending instance has.
    expect(waitedMs).toBeGreaterThanOrEqual(2_000)
    expect(waitedMs).toBeLessThanOrEqual(5_000)
  })

  test('and comes back while it is waited for gets every line', () => {
    let waits = 0
    const got: string[] = []
    const writer = new LineWriter(
      (bytes, offset) => {
        if (waits < 10) throw full()
        got.push(bytes.subarray(offset).toString())
        return bytes.length - offset
      },
      () => void waits++,
    )
    writer.add('one')
    writer.add('two')
    writer.flushAndWait()
    expect([got.join(''), writer.droppedLines, waits]).toEqual(['one\ntwo\n', 0, 10])
  })
})
