import { ReplyError } from '../http-service.ts'
import type { LocalRequest, Route } from '../http-service.ts'
import type { Buckets, ObjectSettings } from './objects.ts'
import { resourceOf, settingsOf, conditionsOf, requireConditions, requireBucket, apiError } from './replies.ts'
import { receiveChunk } from './resumable-upload.ts'
import type { Sessions } from './resumable.ts'

const UPLOAD = /^(?:\/resumable)?\/upload\/storage\/v1\/b\/([^/]+)\/o$/

/** Simple, multipart and resumable uploads of the JSON API. */
export function uploadRoutes(buckets: Buckets, sessions: Sessions): Route[] {
  return [
    {
      method: 'POST',
      path: UPLOAD,
      handle: async (request) => {
        const [bucket = ''] = request.params
        requireBucket(buckets, bucket)
        const query = request.url.searchParams
        const conditions = conditionsOf(query)
        if (query.get('uploadType') === 'resumable') {
          const bytes = await request.bytes()
          const settings =
            bytes.length === 0 ? {} : (JSON.parse(bytes.toString()) as ObjectSettings & { name?: string })
          const name = query.get('name') ?? ('name' in settings ? (settings.name ?? '') : '')
          requireConditions(conditions, buckets.get(bucket, name))
          const contentType = request.headers['x-upload-content-type']
          const id = sessions.start({
            bucket,
            name,
            conditions,
            lengthRange: undefined,
            settings: { ...(typeof contentType === 'string' && { contentType }), ...settings },
          })
          const location = `http://${request.headers.host}/upload/storage/v1/b/${bucket}/o?uploadType=resumable&upload_id=${id}`
          return { status: 200, headers: { Location: location, 'X-GUploader-UploadID': id } }
        }
        const { name, data, settings } =
          query.get('uploadType') === 'multipart' ? await multipart(request) : await media(request)
        requireConditions(conditions, buckets.get(bucket, name))
        return { status: 200, json: resourceOf(request, buckets.put(bucket, name, data, settings)) }
      },
    },
    { method: 'PUT', path: UPLOAD, handle: (request) => receiveChunk(request, buckets, sessions) },
    {
      method: 'DELETE',
      path: UPLOAD,
      handle: (request) => ({ status: sessions.end(request.url.searchParams.get('upload_id') ?? '') ? 499 : 404 }),
    },
  ]
}

/** `multipart/related`: a JSON part that describes the object, then its bytes. */
async function multipart(request: LocalRequest): Promise<{ name: string; data: Buffer; settings: ObjectSettings }> {
  const boundary = /boundary="?([^";]+)"?/.exec(request.headers['content-type'] ?? '')?.[1]
  const body = await request.bytes()
  const delimiter = Buffer.from(`--${boundary ?? ''}`)
  const parts: { head: string; data: Buffer }[] = []
  for (let start = body.indexOf(delimiter); start >= 0;) {
    const next = body.indexOf(delimiter, start + delimiter.length)
    if (next < 0) break
    const part = body.subarray(start + delimiter.length + 2, next - 2)
    const split = part.indexOf('\r\n\r\n')
    parts.push({ head: part.toString('latin1', 0, split), data: part.subarray(split + 4) })
    start = next
  }
  const [description, data] = parts
  if (boundary === undefined || description === undefined || data === undefined)
    throw new ReplyError(apiError(400, 'Malformed multipart body.'))
  const settings = JSON.parse(description.data.toString()) as ObjectSettings & { name?: string }
  const contentType = /content-type: *([^\r\n]+)/i.exec(data.head)?.[1]
  return {
    name: request.url.searchParams.get('name') ?? settings.name ?? '',
    data: Buffer.from(data.data),
    settings: { ...(contentType && { contentType }), ...settings },
  }
}

async function media(request: LocalRequest): Promise<{ name: string; data: Buffer; settings: ObjectSettings }> {
  return {
    name: request.url.searchParams.get('name') ?? '',
    data: await request.bytes(),
    settings: settingsOf(request),
  }
}
