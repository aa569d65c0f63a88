import { connect } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'

import { Envelope, head } from '../shared/http/raw-client.ts'

export type UploaderReport = { refused: number; bombs: number; sentBytes: number }

const SIZE_BYTES = 500_000_000
const BLOCK = Buffer.alloc(64 * 1024, 'x')
const CHUNK = Buffer.concat([Buffer.from(`${BLOCK.length.toString(16)}\r\n`), BLOCK, Buffer.from('\r\n')])
const BOMB = gzipSync(Buffer.alloc(SIZE_BYTES, ' '), { level: 9 })

const { port, row, uploads } = workerData as { port: number; row: string; uploads: number }
const common = { 'x-row': row, Authorization: 'Bearer a.alice.c', 'Content-Type': 'application/json' }

type Kind = 'declared' | 'chunked' | 'bomb'
type Result = { refused: boolean; sentBytes: number }

/** Sends all of it, whatever is answered meanwhile, until it is done or the connection is closed. */
async function upload(kind: Kind): Promise<Result> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  let sentBytes = 0
  let closed = false
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1')
  })
  socket.on('error', () => undefined)
  const gone = new Promise<void>((resolve) => {
    socket.once('close', () => {
      closed = true
      resolve()
    })
  })
  const framing = {
    declared: { 'Content-Length': SIZE_BYTES },
    chunked: { 'Transfer-Encoding': 'chunked' },
    bomb: { 'Content-Encoding': 'gzip', 'Content-Length': BOMB.length },
  }[kind]
  socket.write(head('POST', '/', { ...common, ...framing }))
  const send = async (bytes: Buffer) => {
    sentBytes += bytes.length
    if (!socket.write(bytes)) await Promise.race([gone, new Promise((resolve) => socket.once('drain', resolve))])
  }
  if (kind === 'bomb') await send(BOMB)
  else
    while (!closed && sentBytes < SIZE_BYTES)
      await send(kind === 'declared' ? BLOCK.subarray(0, SIZE_BYTES - sentBytes) : CHUNK)
  const waited = setTimeout(() => socket.destroy(), 15_000)
  while (!closed && !answer.includes('"request_id"')) await new Promise((resolve) => setTimeout(resolve, 20))
  clearTimeout(waited)
  socket.destroy()
  return { refused: isRefusal(answer), sentBytes }
}

function isRefusal(answer: string): boolean {
  const at = answer.indexOf('\r\n\r\n')
  if (at === -1 || !/^HTTP\/1\.1 41[35] /.test(answer)) return false
  return Envelope.safeParse(JSON.parse(answer.slice(at + 4))).success
}

const kinds = Array.from({ length: uploads }, (_, index): Kind =>
  index % 10 === 9 ? 'bomb' : index % 2 === 0 ? 'declared' : 'chunked',
)
const results = await Promise.all(kinds.map(upload))
const report: UploaderReport = {
  refused: results.filter(({ refused }) => refused).length,
  bombs: kinds.filter((kind) => kind === 'bomb').length,
  sentBytes: results.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origins
parentPort?.postMessage(report)
