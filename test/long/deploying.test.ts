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

describe('a deployed project', () => {
  test('shows each one thing that is removed by hand as just that', async () => {
    project = await rehearse()
    await project.run('apply')
    const names = [...project.state.resources.keys()].filter((name) => !HOLDS_OTHERS.test(name))
    expect(names.length).toBeGreaterThan(100)
    for (const name of names) {
      const kept = project.state.get(name)
      project.state.resources.delete(name)
      const { steps } = await project.run('plan')
      const told = steps.filter((step) => !(name.includes('/notificationChannels/') && step.action === 'change'))
      expect([name, told.map(({ action }) => action)]).toEqual([name, ['create']])
      project.state.resources.set(name, kept)
    }
    expect((await project.run('plan')).steps).toEqual([])
    await project.stop()
  })
})
