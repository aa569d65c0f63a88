import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

import { Faults } from '../../../../infra/local/faults.ts'
import { Journal } from '../../../../infra/local/journal.ts'
import { WorkLog } from '../../../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../../../infra/local/providers/stand-ins.ts'
import { accountIn, visitThrough } from '../../../../infra/smoke/compare.ts'
import { questionOf } from '../../../../infra/smoke/recorder.ts'
import type { ProviderName } from '../../../../shared/providers/providers.ts'
import { HERE, placeAt } from './canned-provider.ts'
import type { Canned } from './canned-provider.ts'

const KEY = 'k'
const RECORDING = fileURLToPath(new URL('../../../fixtures/speech.flac', import.meta.url))
const LEFT_OUT = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'date'])

/** What a stand-in answers to every kind of call that we make of it, by the kind of request. */
export async function recordAnswers(name: ProviderName): Promise<Map<string, Canned[]>> {
  const { basePath, makeServers } = STAND_INS[name]
  const world = { faults: new Faults(), journal: new Journal(), apiKey: KEY, pace: { factor: 0 } }
  const { api, behind } = makeServers(world, new WorkLog())
  for (const server of [...behind, api]) await server.start()
  const recorded = new Map<string, Canned[]>()
  const routes: readonly (readonly [path: string, upstream: string])[] = [
    ...behind.map((server, index) => [`/behind-${index}`, server.origin] as const),
    ['', `${api.origin}${basePath}`],
  ]
  const between = createServer(async (request, response) => {
    const { url = '', method = 'GET' } = request
    const [prefix, upstream] = routes.find(([path]) => url.startsWith(path)) ?? ['', api.origin]
    const sent = Buffer.concat(await request.toArray())
    const { host: _host, connection: _connection, 'transfer-encoding': _encoding, ...headers } = request.headers
    const answer = await fetch(`${upstream}${url.slice(prefix.length)}`, {
      method,
      headers: headers as Record<string, string>,
      redirect: 'manual',
      ...(sent.length > 0 && { body: sent }),
    })
    const portable = (text: string) =>
      routes.reduce((all, [path, where]) => all.replaceAll(where, `${HERE}${path}`), text)
    const kept = [...answer.headers].filter(([header]) => !LEFT_OUT.has(header))
    const bytes = Buffer.from(await answer.arrayBuffer())
    const isJson = answer.headers.get('content-type')?.includes('json') === true
    const canned: Canned = {
      status: answer.status,
      headers: Object.fromEntries(kept.map(([header, value]) => [header, portable(value)])),
      body: isJson ? Buffer.from(portable(bytes.toString())) : bytes,
    }
    const question = questionOf(method, url)
    const before = recorded.get(question) ?? []
    // How long a job was at work does not matter, only that it was.
    const isMore = statusIn(before.at(-1)) !== undefined && statusIn(before.at(-1)) === statusIn(canned)
    recorded.set(question, [...(isMore ? before.slice(0, -1) : before), canned])
    const { status, body, headers: answered } = placeAt(canned, origin)
    response.writeHead(status, answered).end(body)
  })
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(between.address() as AddressInfo).port}`
  const prefix = name.toUpperCase()
  try {
    const environment = { [`${prefix}_API_KEY`]: KEY, [`${prefix}_BASE_URL`]: origin }
    const options = { environment, recordingPath: RECORDING, pollMs: 20, say: () => undefined }
    const { failures } = await visitThrough(accountIn(environment, name), options)
    if (failures.length > 0) throw new Error(failures.join('; '))
    return recorded
  } finally {
    between.closeAllConnections()
    between.close()
    for (const server of [...behind, api]) await server.stop()
  }
}

/** What a job is at, as its provider says it. */
function statusIn(canned: Canned | undefined): unknown {
  if (canned?.headers['content-type']?.includes('json') !== true) return undefined
  const body = JSON.parse(canned.body.toString()) as { status?: unknown; data?: { status?: unknown } | null }
  return body.status ?? body.data?.status
}
