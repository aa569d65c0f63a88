import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Faults } from '../../infra/local/faults.ts'
import { localServiceAccounts } from '../../infra/local/identity.ts'
import { Journal } from '../../infra/local/journal.ts'
import { FileStore } from '../../infra/local/storage/files.ts'
import { Buckets } from '../../infra/local/storage/objects.ts'
import { storageRoutes, storageServer } from '../../infra/local/storage/service.ts'

const BUCKET = 'shelf'

/** The local storage over a folder that a test can look into. */
export async function startStorage() {
  const folder = mkdtempSync(join(tmpdir(), 'storage-test-'))
  const buckets = new Buckets(new FileStore(folder))
  const [faults, signingKey] = [new Faults(), localServiceAccounts('demo-storage').publicKey]
  const routes = storageRoutes({ signingKey, bucket: BUCKET, buckets })
  const service = await storageServer({ faults, journal: new Journal() }, routes).start()
  const uploads = `${service.origin}/upload/storage/v1/b/${BUCKET}/o`
  const objectUrl = (name: string) => `${service.origin}/storage/v1/b/${BUCKET}/o/${encodeURIComponent(name)}`
  return {
    buckets,
    faults,
    origin: service.origin,
    uploads,
    objectUrl,
    fileCount: () => readdirSync(folder).length,
    bytesInFiles: () => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0),
    upload: (name: string, body: Buffer | string) =>
      fetch(`${uploads}?uploadType=media&name=${encodeURIComponent(name)}`, { method: 'POST', body: bytesOf(body) }),
    async download(name: string): Promise<Buffer> {
      const response = await fetch(`${objectUrl(name)}?alt=media`)
      if (!response.ok) throw new Error(`status ${response.status}`)
      return Buffer.from(await response.arrayBuffer())
    },
    /** @returns the URL of a resumable session */
    async startSession(name: string, headers: Record<string, string> = {}): Promise<string> {
      const url = `${uploads}?uploadType=resumable&name=${encodeURIComponent(name)}`
      const started = await fetch(url, { method: 'POST', headers })
      return started.headers.get('location') ?? ''
    },
    async stop() {
      await service.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

export type TestStorage = Awaited<ReturnType<typeof startStorage>>

export function bytesOf(body: Buffer | string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(body as string))
}
