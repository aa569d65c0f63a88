import { expect, test } from 'vitest'

import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
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
