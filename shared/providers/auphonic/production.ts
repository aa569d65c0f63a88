import * as z from 'zod'

import type { MasteringState } from '../../podcast/ports.ts'
import { unusable } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { providerId, providerUrl, providerWords } from '../strings.ts'
import { PRODUCTION_STATUS } from './api.ts'
import type { ProductionStatus } from './api.ts'
import { wholeNumber } from './envelope.ts'
import { classifyFailure } from './failures.ts'

const WORDS_CHARS_MAX = 100
const positive = z.number().positive()

/** What is used of a production; anything else, and whatever is not as it should be and can be done without, is not. */
export const Production = z.object({
  uuid: providerId,
  status: wholeNumber.nullish().catch(undefined),
  status_string: providerWords.nullish().catch(undefined),
  error_message: providerWords.nullish().catch(undefined),
  start_allowed: z.boolean().nullish().catch(undefined),
  output_basename: z.string().nullish().catch(undefined),
  creation_time: z.string().nullish().catch(undefined),
  length: positive.nullish().catch(undefined),
  used_credits: z.looseObject({ combined: z.number().nullish() }).nullish().catch(undefined),
  output_files: z
    .array(
      z.object({
        download_url: providerUrl.nullish().catch(undefined),
        format: z.string().nullish().catch(undefined),
        size: z.coerce.number().positive().nullish().catch(undefined),
      }),
    )
    .nullish()
    .catch(undefined),
})
export type Production = z.infer<typeof Production>

/** What each status means to us. */
const MEANING: Readonly<Record<ProductionStatus, MasteringState['state'] | 'changedByHand'>> = {
  fileUpload: 'working',
  waiting: 'working',
  error: 'failed',
  done: 'done',
  processing: 'working',
  encoding: 'working',
  outgoing: 'working',
  mixdown: 'working',
  splitting: 'working',
  incomplete: 'new',
  notStarted: 'new',
  // Somebody has changed it in the web page: what it would make, or has made, is not what we asked for.
  outdated: 'changedByHand',
  incoming: 'working',
  stopping: 'working',
  speechRecognition: 'working',
  changed: 'changedByHand',
}

/** The state of a production in the port's words. @throws ProviderError unusable for one that is done and has no file */
export function stateOf(request: ProviderRequest, production: Production): MasteringState {
  const name = statusOf(production)
  const doing = (production.status_string ?? (name && PRODUCTION_STATUS[name][1]) ?? 'at work').slice(
    0,
    WORDS_CHARS_MAX,
  )
  switch (name === undefined ? 'working' : MEANING[name]) {
    case 'new':
      return { state: 'new', mayStart: production.start_allowed === true, doing }
    case 'working':
      return { state: 'working', doing }
    case 'changedByHand':
      return { state: 'failed', reason: 'ended', message: `somebody has changed it: "${doing}"` }
    case 'failed': {
      const message = production.error_message?.trim() || 'no reason given'
      return { state: 'failed', reason: classifyFailure(message), message }
    }
    case 'done':
      return { state: 'done', ...whatWasMade(request, production) }
  }
}

/** By its number, else by its words; a status that we do not know is one of a production at work. */
function statusOf({ status, status_string: words }: Production): ProductionStatus | undefined {
  const known = Object.entries(PRODUCTION_STATUS) as [ProductionStatus, readonly [number, string]][]
  const isIt = ([, [code, text]]: (typeof known)[number]) =>
    status === undefined || status === null ? text.toLowerCase() === words?.toLowerCase() : code === status
  return known.find(isIt)?.[0]
}

function whatWasMade(request: ProviderRequest, { output_files: files, length, used_credits: credits }: Production) {
  const file = files?.find(({ format }) => format === 'mp3')
  if (file?.download_url == null) throw unusable(request, 'a finished production without its file')
  const audioSeconds = length ?? undefined
  const creditHours = credits?.combined ?? undefined
  return {
    result: { url: file.download_url, saidSeconds: audioSeconds, saidBytes: file.size ?? undefined },
    cost: {
      productions: 1,
      ...(audioSeconds !== undefined && { audioSeconds }),
      // What the provider says it charged.
      ...(creditHours !== undefined && { creditHours }),
    },
  }
}
