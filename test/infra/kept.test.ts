import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { Database } from '../../infra/local/firestore/database.ts'
import { openKept, redirectTasks } from '../../infra/local/kept/kept.ts'
import type { Kept } from '../../infra/local/kept/kept.ts'
import { Buckets } from '../../infra/local/storage/objects.ts'
import { Queue } from '../../infra/local/tasks/queue.ts'
import type { Task } from '../../infra/local/tasks/queue.ts'

let folder = ''
let kept: Kept
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept-test-'))
  kept = openKept(folder)
})
afterEach(() => {
  kept.close()
  rmSync(folder, { recursive: true })
})

function restart(): void {
  kept.close()
  kept = openKept(folder)
}

const PLACE = {
  functionsBaseUrl: 'http://127.0.0.1:1',
  ports: { a: 1 },
  identityKey: 'k',
  storageKey: 's',
  webhookSecret: 'w',
}

describe('the place', () => {
  test('is as before', () => {
    expect(kept.place).toBeUndefined()
    kept.keepPlace(PLACE)
    restart()
    expect(kept.place).toEqual(PLACE)
  })

  test.each(['', '{"format":1', '{"format":1,"ports":7}', 'null'])('that reads %j is made anew', (text) => {
    writeFileSync(join(folder, 'place.json'), text)
    restart()
    expect(kept.place).toBeUndefined()
  })

  test('of another version is refused', () => {
    writeFileSync(join(folder, 'place.json'), '{"format":2}')
    expect(() => openKept(folder)).toThrow('was written by another version')
  })
})

test('documents are there with their times, and what is written next is later, whatever the clock says', () => {
  const name = (id: string) => `projects/p/databases/d/documents/c/${id}`
  const open = () => {
    const database = new Database(kept.documents)
    for (const [document, version] of kept.documents.entries()) database.restore(document, version)
    return database
  }
  const first = open()
  first.commit([
    { update: { name: name('kept'), fields: { bytes: { bytesValue: Buffer.from([1]) } } } },
    { update: { name: name('deleted'), fields: {} } },
  ])
  first.commit([{ delete: name('deleted') }])
  const before = first.read(name('kept'), first.now())
  restart()
  const second = open()
  expect(second.read(name('kept'), second.now())).toEqual(before)
  expect(second.read(name('deleted'), second.now())).toBeUndefined()
  const later = { createTime: 1, updateTime: Date.now() * 1000 + 3.6e9, fields: {} }
  second.restore(name('later'), later)
  second.commit([{ update: { name: name('next'), fields: {} } }])
  expect(second.read(name('next'), Infinity)?.updateTime).toBeGreaterThan(later.updateTime)
})

describe('objects', () => {
  const store = async (buckets: Buckets, name: string, text: string) => {
    const writer = buckets.files.create()
    await writer.write(Buffer.from(text))
    return buckets.put('b', name, await writer.finish(), { contentType: 'text/plain' })
  }
  const open = () => {
    const buckets = new Buckets(kept.files, kept.objects)
    buckets.create('b')
    return buckets
  }

  test('are there as they were, and later ones have larger generations', async () => {
    const first = open()
    await store(first, 'replaced', 'before')
    const replaced = await store(first, 'replaced', 'after')
    first.remove(await store(first, 'removed', 'x'))
    const patched = first.patch(await store(first, 'patched', 'y'), { metadata: { k: 'v' } })
    restart()
    const second = open()
    expect(second.list('b', '')).toEqual([patched, replaced])
    const next = await store(second, 'next', 'z')
    expect(BigInt(next.generation)).toBeGreaterThan(BigInt(patched.generation))
  })

  test('without their bytes are none, and bytes that are no object go', async () => {
    const first = open()
    const torn = await store(first, 'torn', 'whole')
    const whole = await store(first, 'whole', 'whole')
    const objects = join(folder, 'objects')
    writeFileSync(join(objects, torn.file.name), 'who')
    writeFileSync(join(objects, 'half-sent'), 'half')
    restart()
    expect(open().list('b', '')).toEqual([whole])
    expect(readdirSync(objects)).toEqual([whole.file.name])
  })
})

describe('tasks', () => {
  const queue = (nowMs = 0) => new Queue({ name: 'q' }, nowMs, kept.tasks)
  const task = (id: string): Task => ({
    name: `q/tasks/${id}`,
    httpRequest: {
      url: 'http://127.0.0.1:1/f',
      body: Buffer.from(id),
      oidcToken: { audience: 'http://127.0.0.1:1/f' },
    },
    scheduleTimeMs: 7,
    createTimeMs: 7,
    dispatchDeadlineMs: 1000,
    dispatchCount: 0,
    responseCount: 0,
    firstAttemptMs: undefined,
    lastStatus: undefined,
    running: false,
  })

  test('that wait, ran when all ended, or are to be repeated, go out again; those that are done keep their names', () => {
    const first = queue()
    for (const id of ['waits', 'runs', 'failed', 'done']) first.add(task(id))
    const [, runs, failed, done] = [...first.tasks.values()]
    for (const one of [runs, failed, done]) if (one) first.beginAttempt(one, Date.now())
    if (failed) first.endAttempt(failed, 500, undefined, 10)
    if (done) first.endAttempt(done, 200, undefined, 10)
    restart()
    const second = queue(20)
    const counts = [...second.tasks.values()].map(({ name, dispatchCount, running }) => [name, dispatchCount, running])
    expect(counts).toEqual([
      ['q/tasks/waits', 0, false],
      ['q/tasks/runs', 1, false],
      ['q/tasks/failed', 1, false],
    ])
    expect(second.take(20).map(({ name }) => name)).toEqual(['q/tasks/waits', 'q/tasks/runs'])
    expect(second.isReserved('q/tasks/done', 20)).toBe(true)
    restart()
    const dayMs = 24 * 3_600_000
    expect(queue(dayMs + 20).isReserved('q/tasks/done', dayMs + 20)).toBe(false)
  })

  test('call where the functions are now', () => {
    queue().add(task('a'))
    redirectTasks(kept.tasks, 'http://127.0.0.1:1', 'http://127.0.0.1:2')
    restart()
    const [found] = queue().tasks.values()
    expect(found?.httpRequest).toMatchObject({
      url: 'http://127.0.0.1:2/f',
      oidcToken: { audience: 'http://127.0.0.1:2/f' },
      body: Buffer.from('a'),
    })
  })
})
