import { request } from 'node:http'

/** What one client is to send, and where. */
export type Carried = {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: number
  /** Says beforehand how long it is. */
  readonly announced: boolean
}
export type CarrierReport = { readonly statuses: readonly number[]; readonly sentBytes: number }

const BLOCK = Buffer.alloc(64 * 1024, 'x')

/** Sends all of it, whatever is answered meanwhile, until it is done or the connection is closed. */
async function carry({ url, method, headers, bytes, announced }: Carried): Promise<{ status: number; sent: number }> {
  const length = announced ? { 'Content-Length': String(bytes) } : {}
  const outgoing = request(url, { method, headers: { ...headers, ...length }, agent: false })
  let [status, sent, isClosed] = [0, 0, false]
  const answered = new Promise<void>((resolve) => {
    outgoing.once('response', (answer) => {
      status = answer.statusCode ?? 0
      answer.resume().once('close', resolve)
    })
    outgoing.on('error', () => undefined)
    outgoing.once('close', () => {
      isClosed = true
      resolve()
    })
  })
  const closed = new Promise((resolve) => outgoing.once('close', resolve))
  while (!isClosed && sent < bytes) {
    const part = BLOCK.subarray(0, Math.min(BLOCK.length, bytes - sent))
    sent += part.length
    if (!outgoing.write(part)) await Promise.race([closed, new Promise((resolve) => outgoing.once('drain', resolve))])
  }
  outgoing.end()
  await answered
  outgoing.destroy()
  return { status, sent }
}

process.on('message', (all: readonly Carried[]) => {
  void Promise.all(all.map(carry)).then((results) => {
    const report: CarrierReport = {
      statuses: results.map(({ status }) => status),
      sentBytes: results.reduce((sum, { sent }) => sum + sent, 0),
    }
    process.send?.(report)
  })
})
