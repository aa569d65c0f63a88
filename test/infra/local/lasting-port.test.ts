import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

import { expect, it, onTestFinished, vi } from 'vitest'

import { onLastingPort } from '../../../infra/local/lasting-port.ts'

const listening = async (port: number) => {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

it("a port that another program has is not tried, because gRPC's library prints a line for each that it cannot have", async () => {
  let taken = 0
  await onLastingPort(async (port) => {
    taken = await listening(port)
  })
  const ofTaken = (taken + 0.5 - 15_000) / 17_000
  const random = vi.spyOn(Math, 'random').mockReturnValueOnce(ofTaken)
  onTestFinished(() => random.mockRestore())
  const tried: number[] = []
  await onLastingPort(async (port) => {
    tried.push(port)
    await listening(port)
  })
  expect(random.mock.calls.length).toBeGreaterThanOrEqual(2)
  expect(tried).not.toContain(taken)
})
