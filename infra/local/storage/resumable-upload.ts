import type { LocalRequest, Reply } from '../http-service.ts'
import type { Buckets } from './objects.ts'
import { apiError, headerOf, refuseLength, resourceOf, storeObject, xmlError } from './replies.ts'
import type { ChunkResult, Sessions } from './resumable.ts'

/** A request to a session of a resumable upload, which both APIs take alike. */
export async function receiveChunk(request: LocalRequest, buckets: Buckets, sessions: Sessions): Promise<Reply> {
  const id = request.url.searchParams.get('upload_id') ?? ''
  const session = sessions.get(id)
  const result: ChunkResult = session
    ? await session.receive(headerOf(request, 'content-range'), request.stream(), (file, target) => {
        refuseLength(buckets, file, target.lengthRange)
        return storeObject(buckets, target, file, target.checksums)
      })
    : { kind: 'gone' }
  if (result.kind === 'too-large') sessions.end(id)
  const reply = replyTo(request, result)
  return { ...reply, headers: { ...reply.headers, 'X-GUploader-UploadID': id } }
}

function replyTo(request: LocalRequest, result: ChunkResult): Reply {
  switch (result.kind) {
    case 'incomplete':
      return resumeIncomplete(request, result.bytes)
    case 'complete':
      return { status: 200, json: resourceOf(request, result.object) }
    case 'gap':
      return {
        status: 503,
        headers: { 'Content-Type': 'text/plain; charset=utf-8' },
        body: `Invalid request.  According to the Content-Range header, the upload offset is ${result.start} byte(s), which exceeds already uploaded size of ${result.bytes} byte(s).`,
      }
    case 'too-large':
      return xmlError(400, 'EntityTooLarge', 'The upload is too large.')
    case 'bad':
      return apiError(400, 'Failed to parse Content-Range header.', 'badRequest')
    case 'superseded':
      return apiError(503, 'Another request took this upload over.', 'backendError')
    case 'gone':
      return apiError(404, 'No such upload', 'notFound')
  }
}

/**
 * 308, as the protocol has it; or, for clients that take every 308 for a redirect, a 200 that says the same
 * (`X-GUploader-No-308` is what Google's Go client sends).
 */
function resumeIncomplete(request: LocalRequest, bytes: number): Reply {
  const isRenamed = headerOf(request, 'x-guploader-no-308') === 'yes'
  return {
    status: isRenamed ? 200 : 308,
    headers: {
      ...(bytes > 0 && { Range: `bytes=0-${bytes - 1}` }),
      ...(isRenamed && { 'X-Http-Status-Code-Override': '308' }),
    },
  }
}
