import type { KeyObject } from 'node:crypto'

import type { Faults } from '../faults.ts'
import { HttpService } from '../http-service.ts'
import type { Around, Route } from '../http-service.ts'
import type { Journal } from '../journal.ts'
import { bucketRoutes, objectRoutes } from './json-api.ts'
import { FileStore } from './files.ts'
import { Buckets } from './objects.ts'
import { apiError } from './replies.ts'
import { Sessions } from './resumable.ts'
import { uploadRoutes } from './uploads.ts'
import { xmlRoutes } from './xml-api.ts'

type Shared = { faults: Faults; journal: Journal }

/** `bucket`: one that is there from the beginning. `now`: its clock, by which links end; this machine's unless given. */
type StorageParts = { signingKey: KeyObject; bucket: string; now?: () => number }

/** Cloud Storage's JSON API and the signed part of its XML API, for the unmodified client. Its files go when it stops. */
export function storageService(options: Shared & StorageParts): HttpService {
  const files = FileStore.temporary()
  const routes = storageRoutes({ ...options, buckets: new Buckets(files) })
  return storageServer({ ...options, onStop: () => files.removeAll() }, routes)
}

/** What serves it; given to several servers, they serve the same. */
export function storageRoutes({
  signingKey: key,
  bucket,
  buckets,
  now = () => Date.now(),
}: StorageParts & { buckets: Buckets }): Route[] {
  buckets.create(bucket)
  const sessions = new Sessions(buckets.files)
  return [
    ...bucketRoutes(buckets),
    ...uploadRoutes(buckets, sessions),
    ...objectRoutes(buckets),
    ...xmlRoutes(buckets, sessions, { key, now }),
  ]
}

export function storageServer(
  { faults, journal, onStop }: Shared & { onStop?: () => void },
  routes: readonly Route[],
  around?: Around,
): HttpService {
  return new HttpService({
    faults,
    journal,
    target: 'gcs',
    routes,
    bodies: 'streamed',
    refuse: (status, headers) => ({ ...apiError(status, 'refused'), headers }),
    ...(around && { around }),
    ...(onStop && { onStop }),
  })
}
