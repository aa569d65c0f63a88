import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Faults } from '../../../../infra/local/faults.ts'
import { localServiceAccounts } from '../../../../infra/local/identity.ts'
import { Journal } from '../../../../infra/local/journal.ts'
import { storageService } from '../../../../infra/local/storage/service.ts'
import { CircuitBreaker } from '../../../../shared/breaker/breaker.ts'
import type { Objects } from '../../../../shared/podcast/storage.ts'
import type { FirestoreAccess } from '../../../../shared/store/firestore.ts'
import { objectStore } from '../../../../shared/store/objects.ts'
import { failureOfStorage } from '../../../../shared/store/storage-failure.ts'
import { startStore } from '../../store-fixture.ts'
import { testConfig } from '../../test-config.ts'

/** So small that there is more than one. */
const PAGE_SIZE = 20

/** The local cloud's Firestore and Cloud Storage, and Google's clients for both. */
export type RoomCloud = {
  readonly access: FirestoreAccess
  /** A way of its own to both, of an instance whose wall clock is off by so much. */
  readonly open: (
    wallOffMs: number,
    onOff?: (aheadMs: number) => void,
  ) => Promise<Pick<RoomCloud, 'access' | 'objects'>>
  readonly objects: Objects
  readonly stop: () => Promise<void>
}

/** @param now its clock, which documents and links go by; this machine's unless given */
export async function startRoomCloud(now?: () => number): Promise<RoomCloud> {
  const store = await startStore(undefined, now)
  const { json, publicKey } = localServiceAccounts('demo-test')
  const folder = mkdtempSync(join(tmpdir(), 'steadycast-room-'))
  writeFileSync(join(folder, 'account.json'), json('steadycast-api'))
  const faults = new Faults()
  const storage = await storageService({
    faults,
    journal: new Journal(),
    signingKey: publicKey,
    bucket: 'bucket',
    ...(now && { now }),
  }).start()
  const config = testConfig({ STORAGE_API_ENDPOINT: storage.origin })
  const openObjects = async ({ time }: FirestoreAccess): Promise<Objects> => {
    const before = process.env['GOOGLE_APPLICATION_CREDENTIALS']
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'account.json')
    const breaker = new CircuitBreaker({ name: 'gcs', classify: failureOfStorage })
    let isOpen = false
    const objects = objectStore(config, breaker, { time: async () => (isOpen ? time() : 1_000), pageSize: PAGE_SIZE })
    // The client reads its credentials when it first signs; its instance is to know no time yet.
    await objects.signedUpload('none', 'audio/flac', 1, 60)
    if (before === undefined) delete process.env['GOOGLE_APPLICATION_CREDENTIALS']
    else process.env['GOOGLE_APPLICATION_CREDENTIALS'] = before
    isOpen = true
    return objects
  }
  return {
    access: store.access,
    objects: await openObjects(store.access),
    async open(wallOffMs, onOff) {
      const access = store.open(wallOffMs, onOff)
      return { access, objects: await openObjects(access) }
    },
    async stop() {
      rmSync(folder, { recursive: true })
      await storage.stop()
      store.stop()
    },
  }
}
