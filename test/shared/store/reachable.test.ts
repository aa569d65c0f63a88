import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, test } from 'vitest'

import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
import { failureOfStorage, isFailureOfStorage } from '../../../shared/store/storage-failure.ts'
import { startRoomCloud } from '../podcast/room/cloud.ts'

test('storage is reachable by a link while it answers, whatever it answers, and not when it is gone', async () => {
  const { objects, stop } = await startRoomCloud()
  let isStopped = false
  try {
    await objects.create('recording', 'sound', 'audio/flac')
    await objects.requireReachable('recording')
    await objects.requireReachable('nothing')
    await stop()
    isStopped = true
    await expect(objects.requireReachable('recording')).rejects.toBeInstanceOf(ServiceUnavailable)
  } finally {
    if (!isStopped) await stop()
  }
})

test('storage that says nothing to whoever has a link has failed: the time that it may take has a code, and no status', async () => {
  const silent = createServer(() => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  try {
    const asked = fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(20) })
    const error: unknown = await asked.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'TimeoutError', code: 23 })
    expect([isFailureOfStorage(error), failureOfStorage(error)]).toEqual([true, 'failure'])
  } finally {
    silent.closeAllConnections()
    silent.close()
  }
})
