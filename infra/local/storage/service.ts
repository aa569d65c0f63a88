import type { KeyObject } from 'node:crypto'

import type { Faults } from '../faults.ts'
import { HttpService } from '../http-service.ts'
import type { Journal } from '../journal.ts'
import { bucketRoutes, objectRoutes } from './json-api.ts'
import { Buckets } from './objects.ts'
import { apiError } from './replies.ts'
import { Sessions } from './resumable.ts'
import { uploadRoutes } from './uploads.ts'
import { xmlRoutes } from './xml-api.ts'

/** Cloud Storage's JSON API and the signed part of its XML API, for the unmodified client. */
export function storageService(options: {
  faults: Faults
  journal: Journal
  signingKey: KeyObject
  bucket: string
}): HttpService {
  const buckets = new Buckets()
  buckets.create(options.bucket)
  const sessions = new Sessions()
  const routes = [
    ...bucketRoutes(buckets),
    ...uploadRoutes(buckets, sessions),
    ...objectRoutes(buckets),
    ...xmlRoutes(buckets, sessions, options.signingKey),
  ]
  return new HttpService({
    ...options,
    target: 'gcs',
    routes,
    refuse: (status, headers) => ({ ...apiError(status, 'refused'), headers }),
  })
}
