import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'

import { expect, test } from 'vitest'

import { readAway } from '../../../shared/http/answer.ts'

/** A request whose body still comes, on a connection that the test ends; no time passes but the test's. */
function sending(readableEnded: boolean) {
  const socket = Object.assign(new EventEmitter(), { readableEnded })
  const request = Object.assign(new EventEmitter(), { socket, unpipe: () => request, resume: () => request })
  return { socket, request: request as unknown as IncomingMessage }
}

test('who has ended within a body that nobody reads is not waited for', async () => {
  const { socket, request } = sending(false)
  const away = readAway(request)
  socket.emit('end')
  await expect(away).resolves.toBeUndefined()
  await expect(readAway(sending(true).request)).resolves.toBeUndefined()
  expect(socket.listenerCount('end')).toBe(0)
})
