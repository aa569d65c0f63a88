import type { KeyObject } from 'node:crypto'

import type { Faults } from '../faults.ts'
import { HttpService } from '../http-service.ts'
import type { Around, Route } from '../http-service.ts'
import type { Journal } from '../journal.ts'
import { bucketRoutes, objectRoutes } from './json-api.ts'
import { Buckets } from './objects.ts'
import { apiError } from './replies.ts'
import { Sessions } from './resumable.ts'
import { uploadRoutes } from './uploads.ts'
import { xmlRoutes } from './xml-api.ts'

type Shared = { faults: Faults; journal: Journal }

/** `bucket`: one that is there from the beginning. `buckets`: what is kept, for whoever looks at it from outside. */
type StorageParts = { signingKey: KeyObject; bucket: string; buckets?: Buckets }

/** Cloud Storage's JSON API and the signed part of its XML API, for the unmodified client. */
export function storageService(options: Shared & StorageParts): HttpService {
  return storageServer(options, storageRoutes(options))
}

/** What serves it; given to several servers, they have one memory. */
export function storageRoutes({ signingKey, bucket, buckets = new Buckets() }: StorageParts): Route[] {
  buckets.create(bucket)
  const sessions = new Sessions()
  return [
    ...bucketRoutes(buckets),
    ...uploadRoutes(buckets, sessions),
    ...objectRoutes(buckets),
    ...xmlRoutes(buckets, sessions, signingKey),
  ]
}

export function storageServer({ faults, journal }: Shared, routes: readonly Route[], around?: Around): HttpService {
  return new HttpService({
    faults,
    journal,
    target: 'gcs',
    routes,
    refuse: (status, headers) => ({ ...apiError(status, 'refused'), headers }),
    ...(around && { around }),
  })
}
