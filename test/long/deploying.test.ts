import { beforeEach, describe, expect, test } from 'vitest'

import { GrpcError, STATUS } from '../../infra/local/grpc-service.ts'
import { rehearse } from '../infra/cloud/rehearsal.ts'
import type { Rehearsal } from '../infra/cloud/rehearsal.ts'

let project: Rehearsal

describe('a deployment that breaks off', () => {
  beforeEach(async () => {
    project = await rehearse()
    return () => project.stop()
  })

  test.each(['before', 'after'] as const)(
    'is deployed in the end when every call that changes something fails once, %s it had its effect',
    async (when) => {
      const failed = new Set<string>()
      project.server.meddler[when] = ({ method, request, changes }) => {
        const call = lasting(method, request)
        if (!changes || failed.has(call)) return
        failed.add(call)
        throw new GrpcError(STATUS.internal, 'the network is gone')
      }
      let runs = 1
      while (!(await project.run('apply')).complete && runs < 200) runs++
      expect(failed.size).toBeGreaterThan(150)
      project.server.meddler = {}
      expect((await project.run('plan')).steps).toEqual([])
    },
  )
})

/** A call without what is made anew in each run: secrets, versions of policies, places of uploads. */
function lasting(method: string, request: unknown): string {
  const fleeting = new Set(['payload', 'etag', 'storageSource'])
  const body = JSON.stringify(request, (key, value: unknown) => (fleeting.has(key) ? undefined : value))
  return `${method.replace(/upload.*/, 'upload')} ${(body as string | undefined)?.replace(/\\"etag\\":\\"[^"]*"/g, '')}`
}

/** What hides what is in it, or granted on it, when it is gone. */
const HOLDS_OTHERS = /^b\/|\/serviceAccounts\/|\/services\/|\/databases\/\(default\)$|\/secrets\/[^/]+$/

/** Neighbours are of one kind: each round removes some of every kind. */
const STRIDE = 15

describe('a deployed project', () => {
  test('shows each thing that is removed by hand, a few at a time, and nothing else', async () => {
    project = await rehearse()
    await project.run('apply')
    const names = [...project.state.resources.keys()].filter((name) => !HOLDS_OTHERS.test(name))
    expect(names.length).toBeGreaterThan(100)
    for (let first = 0; first < STRIDE; first++) {
      const removed = names.filter((_name, i) => i % STRIDE === first)
      const kept = removed.map((name) => [name, project.state.get(name)] as const)
      for (const name of removed) project.state.resources.delete(name)
      const { steps } = await project.run('plan')
      const created = steps.filter(({ action }) => action === 'create')
      // A policy that told a channel which is gone no longer tells anybody that we know.
      const silenced = removed.some((name) => name.includes('/notificationChannels/'))
      expect([first, created.length, silenced || steps.length === created.length]).toEqual([
        first,
        removed.length,
        true,
      ])
      for (const [name, fields] of kept) project.state.resources.set(name, fields)
    }
    expect((await project.run('plan')).steps).toEqual([])
    await project.stop()
  })
})
