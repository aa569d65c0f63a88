import type { Clients } from '../clients.ts'
import type { Kind } from '../resource.ts'
import { readFound } from './absent.ts'

/** Holds recordings and results: never removed by us. */
export function bucketKind({ storage }: Clients): Kind {
  return {
    read: ({ name }) => readFound(name, storage.bucket(name).getMetadata()),
    async create({ name, fields }) {
      await storage.createBucket(name, fields)
    },
    async update({ name, fields }, _found, changed) {
      await storage.bucket(name).setMetadata(Object.fromEntries(changed.map((field) => [field, fields[field]])))
    },
  }
}
