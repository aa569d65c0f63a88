import { ReplyError } from '../http-service.ts'
import type { LocalRequest, Reply, Route } from '../http-service.ts'
import type { FileStore, StoredFile } from './files.ts'
import type { Buckets, ObjectSettings } from './objects.ts'
import { MalformedMultipart, readParts } from './related.ts'
import {
  apiError,
  conditionsOf,
  headerOf,
  requireBucket,
  requireConditions,
  requireName,
  resourceOf,
  settingsOf,
  storeObject,
} from './replies.ts'
import { receiveChunk } from './resumable-upload.ts'
import type { Sessions } from './resumable.ts'

const UPLOAD = /^(?:\/resumable)?\/upload\/storage\/v1\/b\/([^/]+)\/o$/
const DESCRIPTION_BYTES_MAX = 1024 * 1024

/** What a client says of an object before its bytes. */
type Description = ObjectSettings & { name?: string; md5Hash?: string; crc32c?: string }
type Upload = { description: Description; file: StoredFile }

/** Simple, multipart and resumable uploads of the JSON API. */
export function uploadRoutes(buckets: Buckets, sessions: Sessions): Route[] {
  return [
    {
      method: 'POST',
      path: UPLOAD,
      handle: async (request) => {
        // Clients send chunks with PUT, but Google's own for Go does with POST.
        if (request.url.searchParams.has('upload_id')) return receiveChunk(request, buckets, sessions)
        const [bucket = ''] = request.params
        requireBucket(buckets, bucket)
        const uploadType = request.url.searchParams.get('uploadType')
        if (uploadType === 'resumable') return startSession(request, bucket, buckets, sessions)
        const { description, file } =
          uploadType === 'multipart' ? await multipart(request, buckets.files) : await media(request, buckets.files)
        const target = { bucket, name: nameOf(request, description), settings: description }
        const conditions = conditionsOf(request.url.searchParams)
        const object = storeObject(buckets, { ...target, conditions }, file, description)
        return { status: 200, json: resourceOf(request, object) }
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

async function startSession(
  request: LocalRequest,
  bucket: string,
  buckets: Buckets,
  sessions: Sessions,
): Promise<Reply> {
  const bytes = await request.bytes()
  const settings = bytes.length === 0 ? {} : (JSON.parse(bytes.toString()) as Description)
  const name = nameOf(request, settings)
  requireName(name)
  const conditions = conditionsOf(request.url.searchParams)
  requireConditions(conditions, buckets.get(bucket, name))
  const contentType = headerOf(request, 'x-upload-content-type')
  const announced = headerOf(request, 'x-upload-content-length')
  const id = sessions.start({
    bucket,
    name,
    conditions,
    lengthRange: undefined,
    totalBytes: announced === undefined ? undefined : Number(announced),
    settings: { ...(contentType && { contentType }), ...settings },
    checksums: settings,
  })
  const location = `http://${request.headers.host}/upload/storage/v1/b/${bucket}/o?uploadType=resumable&upload_id=${id}`
  return { status: 200, headers: { Location: location, 'X-GUploader-UploadID': id } }
}

function nameOf(request: LocalRequest, { name }: Description): string {
  return request.url.searchParams.get('name') ?? name ?? ''
}

/** `multipart/related`: a JSON part that describes the object, then its bytes. */
async function multipart(request: LocalRequest, files: FileStore): Promise<Upload> {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(request.headers['content-type'] ?? '') ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw new ReplyError(apiError(400, 'The boundary of the body is not said.'))
  const parts: Upload['description'][] = []
  let file: StoredFile | undefined
  try {
    for await (const { headers, bytes } of readParts(request.stream(), boundary)) {
      if (file !== undefined) throw new MalformedMultipart('A third part.')
      if (parts.length === 0) {
        parts.push(JSON.parse(await readText(bytes)) as Description)
        continue
      }
      const contentType = headers.get('content-type')
      if (contentType) parts.unshift({ contentType })
      file = await writeFile(files, bytes)
    }
    if (file === undefined) throw new MalformedMultipart('Expected a description and a file.')
    return { description: Object.assign({}, ...parts) as Description, file }
  } catch (error) {
    if (file) files.remove(file)
    if (error instanceof MalformedMultipart) throw new ReplyError(apiError(400, `Malformed body: ${error.message}`))
    throw error
  }
}

async function media(request: LocalRequest, files: FileStore): Promise<Upload> {
  return { description: settingsOf(request), file: await writeFile(files, request.stream()) }
}

/** @throws what reading throws; then nothing is left */
export async function writeFile(
  files: FileStore,
  bytes: AsyncIterable<Buffer>,
  bytesMax = Infinity,
): Promise<StoredFile> {
  const writer = files.create()
  try {
    for await (const chunk of bytes) {
      await writer.write(chunk)
      // Whoever sends too much is refused for it when the rest is known to be.
      if (writer.sizeBytes > bytesMax) break
    }
    return await writer.finish()
  } catch (error) {
    await writer.discard()
    throw error
  }
}

async function readText(bytes: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of bytes) {
    sizeBytes += chunk.length
    if (sizeBytes > DESCRIPTION_BYTES_MAX) throw new MalformedMultipart('The description is too long.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
