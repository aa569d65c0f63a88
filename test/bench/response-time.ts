import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

import { startEdgeProcess } from '../shared/http/edge-process.ts'
import { benchLooks } from './looks.ts'
import { figure, median, quantile, title } from './report.ts'

const REQUESTS = 400
const HANDLER_MS = [0, 5, 20]

/** X-Response-Time against what a proxy in front of the function measures, from head to head. */
export async function benchResponseTime(): Promise<void> {
  title('X-Response-Time against an outside proxy')
  const edge = await startEdgeProcess({ output: 'forgotten' })
  const outsideMs: number[] = []
  const proxy = createServer((incoming, outgoing) => {
    const sinceMs = performance.now()
    request(`${edge.origin}${incoming.url}`, { headers: incoming.headers }, (answer) => {
      outsideMs.push(performance.now() - sinceMs)
      outgoing.writeHead(answer.statusCode ?? 500, answer.rawHeaders)
      answer.pipe(outgoing)
    }).end()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => proxy.once('listening', resolve))
  const origin = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`

  for (const ms of HANDLER_MS) {
    outsideMs.length = 0
    const insideMs: number[] = []
    for (let count = 0; count < REQUESTS; count++) {
      const response = await fetch(`${origin}/?ms=${ms}`, { headers: { 'x-row': 'misbehave' } })
      await response.arrayBuffer()
      insideMs.push(Number.parseFloat(response.headers.get('x-response-time') ?? 'NaN'))
    }
    const gapMs = median(insideMs.map((inside, index) => (outsideMs[index] ?? Number.NaN) - inside))
    const p99Ms = quantile(
      insideMs.map((inside, index) => (outsideMs[index] ?? Number.NaN) - inside),
      0.99,
    )
    figure(
      `handler of ${ms} ms: inside ${median(insideMs).toFixed(2)} ms, the proxy sees more by`,
      `${gapMs.toFixed(2)} ms (p99 ${p99Ms.toFixed(2)})`,
      { text: 'median <= 2', met: Math.abs(gapMs) <= 2 },
    )
  }
  const edgeUs = await edgeTimeUs(edge.origin)
  figure('time to the headers of a no-op, all of it the edge', `${edgeUs.toFixed(0)} us`, {
    text: '< 100',
    met: edgeUs < 100,
  })
  proxy.closeAllConnections()
  proxy.close()
  await edge.stop()
  await benchLooks()
}

/** What the edge itself takes, as one client after the other sees it, warm. */
async function edgeTimeUs(origin: string): Promise<number> {
  const us: number[] = []
  for (let count = 0; count < 5000; count++) {
    const response = await fetch(origin, { headers: { 'x-row': 'noop' } })
    await response.arrayBuffer()
    if (count >= 3000) us.push(Number.parseFloat(response.headers.get('x-response-time') ?? 'NaN') * 1000)
  }
  return median(us)
}
