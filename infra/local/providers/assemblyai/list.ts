import * as z from 'zod'

import { listItemOf } from './job.ts'
import type { Job } from './job.ts'

const LIMIT = { default: 10, max: 200 }

/** `ListTranscriptParams` of the SDK. */
const Query = z.strictObject({
  limit: z.coerce.number().pipe(z.int().min(1).max(LIMIT.max)).default(LIMIT.default),
  status: z.enum(['queued', 'processing', 'completed', 'error']).optional(),
  created_on: z.iso.date().optional(),
  before_id: z.string().optional(),
  after_id: z.string().optional(),
  throttled_only: z.enum(['true', 'false']).optional(),
})

/**
 * A page of jobs, the newest first: `TranscriptList` of the SDK. `prev_url` leads to older ones, `next_url` to newer ones.
 * @param oldestFirst every job there is
 * @returns undefined for a query that the API does not take
 */
export function pageOf(oldestFirst: readonly Job[], url: URL) {
  const parsed = Query.safeParse(Object.fromEntries(url.searchParams))
  if (!parsed.success) return undefined
  const query = parsed.data
  const newest = oldestFirst.toReversed()
  const from = query.before_id === undefined ? 0 : indexOf(newest, query.before_id) + 1
  const until = query.after_id === undefined ? newest.length : indexOf(newest, query.after_id)
  const matching = newest.slice(from, until).filter(({ status, throttled, created }) => {
    if (query.throttled_only === 'true' && !throttled) return false
    if (query.created_on !== undefined && !created.startsWith(query.created_on)) return false
    return query.status === undefined || status === query.status
  })
  // What is newer than a job is told from that job on.
  const page = query.after_id === undefined ? matching.slice(0, query.limit) : matching.slice(-query.limit)
  const linkTo = (name: 'before_id' | 'after_id', id: string | undefined) =>
    id === undefined ? null : `${url.origin}${url.pathname}?limit=${query.limit}&${name}=${id}`
  return {
    page_details: {
      limit: query.limit,
      result_count: page.length,
      current_url: url.href,
      prev_url: linkTo('before_id', page.at(-1)?.id),
      next_url: page[0] === newest[0] ? null : linkTo('after_id', page[0]?.id),
    },
    transcripts: page.map((job) => listItemOf(job, url.origin)),
  }
}

/** A job that is not there has nothing before or after it. */
function indexOf(newest: readonly Job[], id: string): number {
  const index = newest.findIndex((job) => job.id === id)
  return index === -1 ? newest.length : index
}
