import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

import { startEdgeProcess } from '../shared/http/edge-process.ts'
import { benchCarried } from './carried.ts'
import { figure, title } from './report.ts'
import type { UploaderReport } from './uploader.ts'

const UPLOADER = fileURLToPath(new URL('./uploader.ts', import.meta.url))
const UPLOADS = 50
const PROBE_EVERY_MS = 50
const MIB = 1024 * 1024

/** 50 uploads of 500 MB at once, some of them gzip bombs, to a streaming and to a JSON function; then the whole way through a local cloud. */
export async function benchUploads(): Promise<void> {
  for (const row of ['upload', 'echo'] as const) {
    title(`${UPLOADS} uploads of 500 MB at once to a ${row === 'upload' ? 'streaming' : 'JSON'} function`)
    const edge = await startEdgeProcess({ output: 'forgotten' })
    for (let warm = 0; warm < 200; warm++)
      await (await fetch(edge.origin, { headers: { 'x-row': 'noop' } })).arrayBuffer()
    const beforeBytes = edge.rssBytes()
    let peakBytes = beforeBytes
    let slowestMs = 0
    let over = false
    const watch = (async () => {
      while (!over) {
        peakBytes = Math.max(peakBytes, edge.rssBytes())
        await sleep(10)
      }
    })()
    const probe = (async () => {
      while (!over) {
        const sinceMs = performance.now()
        await (await fetch(edge.origin, { headers: { 'x-row': 'noop' } })).arrayBuffer()
        slowestMs = Math.max(slowestMs, performance.now() - sinceMs)
        await sleep(PROBE_EVERY_MS)
      }
    })()
    const worker = new Worker(UPLOADER, { workerData: { port: edge.port, row, uploads: UPLOADS } })
    const report = await new Promise<UploaderReport>((resolve, reject) =>
      worker.once('message', resolve).once('error', reject),
    )
    over = true
    await Promise.all([watch, probe])
    const bombs = row === 'upload' ? 'refused unread (415)' : 'inflated up to the limit (413)'
    const grownMiB = (peakBytes - beforeBytes) / MIB
    figure('uploaders that read a 413 or 415 envelope', `${report.refused} of ${UPLOADS}`, {
      text: 'all',
      met: report.refused === UPLOADS,
    })
    figure('  of them gzip bombs of 1000:1', `${report.bombs}, ${bombs}`)
    figure('  sent in all, answers included after', `${(report.sentBytes / 1e9).toFixed(1)} GB`)
    figure('growth of resident memory', `${grownMiB.toFixed(0)} MiB over ${(beforeBytes / MIB).toFixed(0)} MiB`, {
      text: '< 64',
      met: grownMiB < 64,
    })
    figure('slowest small request meanwhile', `${slowestMs.toFixed(0)} ms`, { text: '< 250', met: slowestMs < 250 })
    await edge.stop()
  }
  await benchCarried()
}
