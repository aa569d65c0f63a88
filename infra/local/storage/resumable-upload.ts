import type { LocalRequest, Reply } from '../http-service.ts'
import type { Buckets } from './objects.ts'
import { resourceOf, headerOf, requireConditions, apiError, xmlError } from './replies.ts'
import type { Sessions } from './resumable.ts'

/** A chunk of a resumable upload, which both APIs take alike. */
export async function receiveChunk(request: LocalRequest, buckets: Buckets, sessions: Sessions): Promise<Reply> {
  const id = request.url.searchParams.get('upload_id') ?? ''
  const session = sessions.get(id)
  if (session === undefined) return apiError(404, 'No such upload')
  const result = sessions.receive(session, headerOf(request, 'content-range'), await request.bytes())
  if (result.kind === 'bad') return apiError(400, 'Invalid Content-Range')
  if (result.kind === 'incomplete')
    return { status: 308, headers: result.bytes === 0 ? {} : { Range: `bytes=0-${result.bytes - 1}` } }
  sessions.end(id)
  const { bucket, name, settings, conditions, lengthRange: range } = session
  if (range && result.data.length > range.max) return xmlError(400, 'EntityTooLarge', 'The upload is too large.')
  requireConditions(conditions, buckets.get(bucket, name))
  return { status: 200, json: resourceOf(request, buckets.put(bucket, name, result.data, settings)) }
}
