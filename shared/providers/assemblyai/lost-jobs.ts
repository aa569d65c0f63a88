import * as z from 'zod'

import { providerId } from '../strings.ts'

/** Names the job inside the URL that AssemblyAI fetches, so that it can be found again in its own list. */
export const JOB_PARAMETER = 'job'
/** As many as one page can have. */
export const PAGE_LIMIT = 200
/** 10,000 jobs: the end of a search that nothing else ends. */
const PAGES_MAX = 50
/** Their clock and ours may differ by as much. */
const CLOCKS_MS = 10 * 60_000

export const JobPage = z.object({
  page_details: z.object({ limit: z.number().nullish() }).nullish(),
  transcripts: z.array(z.object({ id: providerId, created: z.string().nullish(), audio_url: z.string().nullish() })),
})
type JobPage = z.infer<typeof JobPage>
type ListedJob = JobPage['transcripts'][number]

export type Sought = {
  readonly key: string
  readonly uploadedTo: string | undefined
  /** When it can have been made at the earliest; undefined: at any time. */
  readonly sinceMs?: number | undefined
}

/**
 * Looks for a job in AssemblyAI's list, which has the newest first, back to when the job can have been made.
 * @param readPage reads the page of jobs that are older than one, or the newest
 */
export async function findListed(
  sought: Sought,
  readPage: (beforeId: string | undefined) => Promise<JobPage>,
): Promise<{ id: string } | undefined> {
  let beforeId: string | undefined
  for (let page = 0; page < PAGES_MAX; page++) {
    const { transcripts, page_details: details } = await readPage(beforeId)
    const found = transcripts.find((job) => isSought(job, sought))
    if (found !== undefined) return { id: found.id }
    const oldest = transcripts.at(-1)
    const isLast = transcripts.length < Math.min(PAGE_LIMIT, details?.limit ?? PAGE_LIMIT)
    if (oldest === undefined || isLast || oldest.id === beforeId || isTooOld(oldest, sought)) return undefined
    beforeId = oldest.id
  }
  return undefined
}

function isSought({ audio_url: url }: ListedJob, { key, uploadedTo }: Sought): boolean {
  if (url == null) return false
  return url === uploadedTo || (URL.canParse(url) && new URL(url).searchParams.get(JOB_PARAMETER) === key)
}

/** A time without a zone is UTC, as in the examples of the API's reference. */
function isTooOld({ created }: ListedJob, { sinceMs }: Sought): boolean {
  if (sinceMs === undefined || created == null) return false
  const createdMs = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(created) ? created : `${created}Z`)
  return createdMs < sinceMs - CLOCKS_MS
}
