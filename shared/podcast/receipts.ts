import * as z from 'zod'

import type { Receipt } from '../engine/outcome.ts'
import type { ObjectStat } from './storage.ts'

/* What a paid call has cost lies with what it has made, for whoever finds that after its attempt was lost. */

const LABEL = 'receipt'
export const StoredReceipt = z.object({
  attempt: z.string(),
  provider: z.string(),
  cost: z.record(z.string(), z.number()),
})

/** The labels of an object that a paid call has made. */
export function labelsOf(receipt: Receipt | undefined): Record<string, string> | undefined {
  return receipt && { [LABEL]: JSON.stringify(receipt) }
}

/** @returns undefined when nothing that can be read lies with the object */
export function receiptOf({ labels }: Pick<ObjectStat, 'labels'>): Receipt | undefined {
  const text = labels?.[LABEL]
  if (text === undefined) return undefined
  try {
    return StoredReceipt.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
