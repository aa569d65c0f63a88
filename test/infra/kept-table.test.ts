import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { KeptTable } from '../../infra/local/kept/table.ts'

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept-test-'))
  path = join(folder, 'values.log')
})
afterEach(() => rmSync(folder, { recursive: true }))

/** What a process that starts now finds. */
function reopened(): Map<string, unknown> {
  const table = new KeptTable(path)
  table.close()
  return new Map(table.entries())
}

test('a later process finds every value as it was, of whatever kind', () => {
  const table = new KeptTable<unknown>(path)
  const value = { bytes: Buffer.from([0, 255]), none: undefined, numbers: [Number.NaN, -0, Infinity], text: 'é\0' }
  table.write([
    ['a', value],
    ['b', 1],
  ])
  table.write([['b', undefined]])
  table.write([['a', { ...value, again: true }]])
  table.close()
  expect(reopened()).toEqual(new Map([['a', { ...value, again: true }]]))
  // What was written anew at that start is the same.
  expect(reopened()).toEqual(new Map([['a', { ...value, again: true }]]))
})

test('a log that was cut anywhere has what was written before, each write as a whole or not at all', () => {
  const writes = fc.array(fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 }), {
    minLength: 1,
    maxLength: 6,
  })
  fc.assert(
    fc.property(writes, fc.double({ min: 0, max: 1, noNaN: true }), (keysOfWrites, share) => {
      rmSync(path, { force: true })
      const table = new KeptTable<number>(path)
      const states = [new Map<string, number>()]
      const ends = [0]
      for (const [index, keys] of keysOfWrites.entries()) {
        table.write(keys.map((key) => [key, index]))
        states.push(new Map(table.entries()))
        ends.push(statSync(path).size)
      }
      table.close()
      const cutAt = Math.floor(share * (ends.at(-1) ?? 0))
      truncateSync(path, cutAt)
      const wholeWrites = ends.findLastIndex((end) => end <= cutAt)
      expect(reopened()).toEqual(states[wholeWrites])
    }),
  )
})

test.each([
  ['zeros', Buffer.alloc(4096)],
  ['a length without its bytes', Buffer.from([255, 255, 255, 127, 1, 2, 3, 4, 5])],
  ['a few bytes', Buffer.from([1, 2, 3])],
])('a tail of %s is ignored, and what is written next is found', (_, tail) => {
  const table = new KeptTable<number>(path)
  table.write([['a', 1]])
  table.close()
  appendFileSync(path, tail)
  const again = new KeptTable<number>(path)
  again.write([['b', 2]])
  again.close()
  expect(reopened()).toEqual(
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
  )
})

test('a record with a wrong byte was never written', () => {
  const table = new KeptTable<string>(path)
  table.write([['a', 'before']])
  table.write([['a', 'after']])
  table.close()
  const log = readFileSync(path)
  log.writeUInt8(log.readUInt8(log.length - 1) ^ 1, log.length - 1)
  writeFileSync(path, log)
  expect(reopened()).toEqual(new Map([['a', 'before']]))
})

test('a new log that was not yet in its place, and half-written, prevents no start', () => {
  const table = new KeptTable<number>(path)
  table.write([['a', 1]])
  table.close()
  writeFileSync(`${path}.new`, 'half')
  expect(reopened()).toEqual(new Map([['a', 1]]))
})

test('a log does not grow with every change for ever', () => {
  const table = new KeptTable<Buffer>(path)
  const bytes = (index: number) => Buffer.alloc(1024 * 1024, index)
  for (let index = 0; index < 100; index++) table.write([[`${index % 2}`, bytes(index)]])
  expect(statSync(path).size).toBeLessThan(40 * 1024 * 1024)
  table.close()
  expect(reopened()).toEqual(
    new Map([
      ['0', bytes(98)],
      ['1', bytes(99)],
    ]),
  )
})

test('one that is closed takes nothing', () => {
  const table = new KeptTable<number>(path)
  table.close()
  expect(() => table.write([['a', 1]])).toThrow('is closed')
  expect(table.size).toBe(0)
})
