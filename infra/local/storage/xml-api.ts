import type { KeyObject } from 'node:crypto'

import type { LocalRequest, Reply, Route } from '../http-service.ts'
import { checkConditions } from './objects.ts'
import type { Buckets } from './objects.ts'
import {
  content,
  hashes,
  headerOf,
  lengthRange,
  preconditionFailed,
  refuseLength,
  settingsOf,
  storeObject,
  xmlError,
} from './replies.ts'
import { receiveChunk } from './resumable-upload.ts'
import type { Sessions } from './resumable.ts'
import { verifySignedUrl } from './signed-url.ts'
import { writeFile } from './uploads.ts'

const XML_OBJECT = /^\/(?!b\/|storage\/|upload\/|download\/|resumable\/)([^/]+)\/(.+)$/

/** What signed URLs reach; nothing here works without a signature, or the id of a session that had one. */
export function xmlRoutes(
  buckets: Buckets,
  sessions: Sessions,
  { key, now }: { readonly key: KeyObject; readonly now: () => number },
): Route[] {
  const signed =
    (handle: (request: LocalRequest, bucket: string, name: string) => Promise<Reply> | Reply) =>
    (request: LocalRequest) => {
      const signature = verifySignedUrl(request.method, request.url, request.headers, { key, nowMs: now() })
      if (signature === 'expired') return xmlError(400, 'ExpiredToken', 'The provided token has expired.')
      if (signature === 'early') return xmlError(403, 'AccessDenied', 'Request has not yet been made.')
      if (signature === 'unsigned') return xmlError(403, 'AccessDenied', 'Anonymous caller does not have access.')
      if (signature === 'mismatch')
        return xmlError(403, 'SignatureDoesNotMatch', 'The request signature does not match.')
      const [bucket = '', name = ''] = request.params
      return buckets.has(bucket)
        ? handle(request, bucket, name)
        : xmlError(404, 'NoSuchBucket', 'The specified bucket does not exist.')
    }
  return [
    {
      method: 'GET',
      path: XML_OBJECT,
      handle: signed((request, bucket, name) => {
        const object = buckets.get(bucket, name, request.url.searchParams.get('generation'))
        return object
          ? content(request, buckets, object)
          : xmlError(404, 'NoSuchKey', 'The specified key does not exist.')
      }),
    },
    {
      method: 'PUT',
      path: XML_OBJECT,
      handle: (request) =>
        request.url.searchParams.has('upload_id')
          ? receiveChunk(request, buckets, sessions)
          : signed((inner, bucket, name) => putSigned(inner, buckets, bucket, name))(request),
    },
    {
      method: 'POST',
      path: XML_OBJECT,
      handle: signed((request, bucket, name) => {
        if (request.headers['x-goog-resumable'] !== 'start')
          return xmlError(400, 'InvalidArgument', 'Expected x-goog-resumable: start')
        const conditions = { ifGenerationMatch: headerOf(request, 'x-goog-if-generation-match') ?? null }
        if (checkConditions(conditions, buckets.get(bucket, name)) !== 'holds') return preconditionFailed()
        const id = sessions.start({
          bucket,
          name,
          conditions,
          lengthRange: lengthRange(request),
          totalBytes: undefined,
          settings: settingsOf(request),
        })
        return {
          status: 201,
          headers: {
            Location: `http://${request.headers.host}${request.url.pathname}?upload_id=${id}`,
            'X-GUploader-UploadID': id,
          },
        }
      }),
    },
  ]
}

async function putSigned(request: LocalRequest, buckets: Buckets, bucket: string, name: string): Promise<Reply> {
  const range = lengthRange(request)
  const file = await writeFile(buckets.files, request.stream(), range?.max)
  const conditions = { ifGenerationMatch: headerOf(request, 'x-goog-if-generation-match') ?? null }
  if (checkConditions(conditions, buckets.get(bucket, name)) !== 'holds') {
    buckets.files.remove(file)
    return preconditionFailed()
  }
  refuseLength(buckets, file, range)
  const stored = storeObject(buckets, { bucket, name, settings: settingsOf(request), conditions }, file)
  return {
    status: 200,
    headers: { ETag: `"${stored.file.md5}"`, 'X-Goog-Generation': stored.generation, 'X-Goog-Hash': hashes(stored) },
  }
}
