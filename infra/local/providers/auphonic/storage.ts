import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'

import { HttpService } from '../../http-service.ts'
import type { Route } from '../../http-service.ts'
import type { StandInOptions } from '../stand-in.ts'

const LINK_SECONDS = 3600

/** Links to finished audio, each good for an hour. */
export class DownloadLinks {
  readonly #links = new Map<string, { data: Buffer; untilMs: number }>()

  add(data: Buffer): string {
    const id = randomBytes(16).toString('hex')
    this.#links.set(id, { data, untilMs: Date.now() + LINK_SECONDS * 1000 })
    return id
  }

  get(id: string): { data: Buffer; untilMs: number } | undefined {
    return this.#links.get(id)
  }
}

/** The storage behind download links: signed by the link itself, and confused by anybody's key. */
export function auphonicStorage(options: StandInOptions, links: DownloadLinks): HttpService {
  const deny = (status: number) => ({
    status,
    headers: { 'Content-Type': 'application/xml' },
    body: '<Error><Code>InvalidArgument</Code></Error>',
  })
  const route: Route = {
    method: 'GET',
    path: /^\/result\/(\w+)$/,
    handle: ({ params: [id = ''], headers }) => {
      const link = links.get(id)
      if (headers.authorization !== undefined) return deny(400)
      if (link === undefined || link.untilMs < Date.now()) return deny(403)
      return {
        status: 200,
        headers: { 'Content-Type': 'audio/mpeg', 'Content-Length': String(link.data.length) },
        body: Readable.from(chunksOf(link.data)),
      }
    },
  }
  return new HttpService({ ...options, target: 'auphonic', routes: [route], refuse: (status) => deny(status) })
}

function* chunksOf(data: Buffer): Generator<Buffer> {
  for (let offset = 0; offset < data.length; offset += 65_536) yield data.subarray(offset, offset + 65_536)
}
