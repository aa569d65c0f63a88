import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import type { Faults } from '../faults.ts'
import { HttpService, ReplyError } from '../http-service.ts'
import type { LocalRequest, Reply, Route } from '../http-service.ts'
import type { Journal } from '../journal.ts'
import { Buckets, checkConditions } from './objects.ts'
import type { Conditions, ObjectSettings, StoredObject } from './objects.ts'
import { Sessions } from './resumable.ts'
import { verifySignedUrl } from './signed-url.ts'

const PAGE_SIZE_DEFAULT = 1000

/** Cloud Storage's JSON API and the signed part of its XML API, for the unmodified client. */
export function storageService(options: {
  faults: Faults
  journal: Journal
  signingKey: KeyObject
  bucket: string
}): HttpService {
  const buckets = new Buckets()
  buckets.create(options.bucket)
  const sessions = new Sessions()
  const routes = [
    ...bucketRoutes(buckets),
    ...uploadRoutes(buckets, sessions),
    ...objectRoutes(buckets),
    ...xmlRoutes(buckets, sessions, options.signingKey),
  ]
  return new HttpService({
    ...options,
    target: 'gcs',
    routes,
    refuse: (status, headers) => ({ ...apiError(status, 'refused'), headers }),
  })
}

const BUCKETS = /^(?:\/storage\/v1)?\/b$/
const BUCKET = /^(?:\/storage\/v1)?\/b\/([^/]+)$/
const OBJECTS = /^(?:\/storage\/v1)?\/b\/([^/]+)\/o$/
const OBJECT = /^(?:\/download)?(?:\/storage\/v1)?\/b\/([^/]+)\/o\/([^/]+)$/
const COMPOSE = /^(?:\/storage\/v1)?\/b\/([^/]+)\/o\/([^/]+)\/compose$/
const COPY = /^(?:\/storage\/v1)?\/b\/([^/]+)\/o\/([^/]+)\/(rewriteTo|copyTo)\/b\/([^/]+)\/o\/([^/]+)$/
const UPLOAD = /^(?:\/resumable)?\/upload\/storage\/v1\/b\/([^/]+)\/o$/
const XML_OBJECT = /^\/(?!b\/|storage\/|upload\/|download\/|resumable\/)([^/]+)\/(.+)$/

function bucketRoutes(buckets: Buckets): Route[] {
  const resource = (name: string) => ({
    kind: 'storage#bucket',
    id: name,
    name,
    metageneration: '1',
    location: 'LOCAL',
  })
  return [
    {
      method: 'GET',
      path: BUCKETS,
      handle: () => ({ status: 200, json: { kind: 'storage#buckets', items: buckets.names().map(resource) } }),
    },
    {
      method: 'POST',
      path: BUCKETS,
      handle: async (request) => {
        const { name } = (await request.json()) as { name: string }
        return buckets.create(name)
          ? { status: 200, json: resource(name) }
          : apiError(409, 'Your previous request to create the named bucket succeeded and you already own it.')
      },
    },
    {
      method: 'GET',
      path: BUCKET,
      handle: ({ params: [bucket = ''] }) => {
        requireBucket(buckets, bucket)
        return { status: 200, json: resource(bucket) }
      },
    },
    {
      method: 'DELETE',
      path: BUCKET,
      handle: ({ params: [bucket = ''] }) => {
        buckets.delete(bucket)
        return { status: 204 }
      },
    },
  ]
}

function uploadRoutes(buckets: Buckets, sessions: Sessions): Route[] {
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

function objectRoutes(buckets: Buckets): Route[] {
  return [
    {
      method: 'GET',
      path: OBJECTS,
      handle: (request) => {
        const [bucket = ''] = request.params
        requireBucket(buckets, bucket)
        return { status: 200, json: listing(request, buckets, bucket) }
      },
    },
    {
      method: 'GET',
      path: OBJECT,
      handle: (request) => {
        const object = requireObject(request, buckets)
        return request.url.searchParams.get('alt') === 'media'
          ? content(request, object)
          : { status: 200, json: resourceOf(request, object) }
      },
    },
    {
      method: 'PATCH',
      path: OBJECT,
      handle: async (request) => {
        const object = requireObject(request, buckets)
        return {
          status: 200,
          json: resourceOf(request, buckets.patch(object, (await request.json()) as ObjectSettings)),
        }
      },
    },
    {
      method: 'DELETE',
      path: OBJECT,
      handle: (request) => {
        buckets.remove(requireObject(request, buckets))
        return { status: 204 }
      },
    },
    {
      method: 'POST',
      path: COMPOSE,
      handle: async (request) => {
        const [bucket = '', name = ''] = request.params
        const { sourceObjects, destination } = (await request.json()) as {
          sourceObjects: { name: string }[]
          destination?: ObjectSettings
        }
        requireConditions(conditionsOf(request.url.searchParams), buckets.get(bucket, name))
        const sources = sourceObjects.map((source) => buckets.get(bucket, source.name) ?? notFound(bucket, source.name))
        const data = Buffer.concat(sources.map((source) => source.data))
        return { status: 200, json: resourceOf(request, buckets.put(bucket, name, data, destination ?? {})) }
      },
    },
    {
      method: 'POST',
      path: COPY,
      handle: async (request) => {
        const [fromBucket = '', fromName = '', verb, toBucket = '', toName = ''] = request.params
        const source = buckets.get(fromBucket, fromName) ?? notFound(fromBucket, fromName)
        requireConditions(conditionsOf(request.url.searchParams), buckets.get(toBucket, toName))
        const bytes = await request.bytes()
        const settings = bytes.length === 0 ? {} : (JSON.parse(bytes.toString()) as ObjectSettings)
        const resource = resourceOf(
          request,
          buckets.put(toBucket, toName, source.data, { ...source.settings, ...settings }),
        )
        const size = String(source.data.length)
        return {
          status: 200,
          json:
            verb === 'copyTo'
              ? resource
              : { kind: 'storage#rewriteResponse', done: true, objectSize: size, totalBytesRewritten: size, resource },
        }
      },
    },
  ]
}

/** What signed URLs reach; nothing here works without a signature, or the id of a session that had one. */
function xmlRoutes(buckets: Buckets, sessions: Sessions, key: KeyObject): Route[] {
  const signed =
    (handle: (request: LocalRequest, bucket: string, name: string) => Promise<Reply> | Reply) =>
    (request: LocalRequest) => {
      const verdict = verifySignedUrl(request.method, request.url, request.headers, key)
      if (verdict === 'expired') return xmlError(400, 'ExpiredToken', 'The provided token has expired.')
      if (verdict === 'unsigned') return xmlError(403, 'AccessDenied', 'Anonymous caller does not have access.')
      if (verdict === 'mismatch') return xmlError(403, 'SignatureDoesNotMatch', 'The request signature does not match.')
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
        return object ? content(request, object) : xmlError(404, 'NoSuchKey', 'The specified key does not exist.')
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
          settings: settingsOf(request),
        })
        return {
          status: 201,
          headers: { Location: `http://${request.headers.host}${request.url.pathname}?upload_id=${id}` },
        }
      }),
    },
  ]
}

async function putSigned(request: LocalRequest, buckets: Buckets, bucket: string, name: string): Promise<Reply> {
  const data = await request.bytes()
  const conditions = { ifGenerationMatch: headerOf(request, 'x-goog-if-generation-match') ?? null }
  if (checkConditions(conditions, buckets.get(bucket, name)) !== 'holds') return preconditionFailed()
  const range = lengthRange(request)
  if (range && data.length > range.max)
    return xmlError(400, 'EntityTooLarge', `Your proposed upload exceeds the maximum of ${range.max}.`)
  if (range && data.length < range.min)
    return xmlError(400, 'EntityTooSmall', `Your proposed upload is below the minimum of ${range.min}.`)
  const stored = buckets.put(bucket, name, data, settingsOf(request))
  return {
    status: 200,
    headers: { ETag: `"${stored.md5}"`, 'X-Goog-Generation': stored.generation, 'X-Goog-Hash': hashes(stored) },
  }
}

async function receiveChunk(request: LocalRequest, buckets: Buckets, sessions: Sessions): Promise<Reply> {
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
  const [description, content] = parts
  if (boundary === undefined || description === undefined || content === undefined)
    throw new ReplyError(apiError(400, 'Malformed multipart body.'))
  const settings = JSON.parse(description.data.toString()) as ObjectSettings & { name?: string }
  const contentType = /content-type: *([^\r\n]+)/i.exec(content.head)?.[1]
  return {
    name: request.url.searchParams.get('name') ?? settings.name ?? '',
    data: Buffer.from(content.data),
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

function listing(request: LocalRequest, buckets: Buckets, bucket: string): unknown {
  const query = request.url.searchParams
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter')]
  const pageSize = Math.min(PAGE_SIZE_DEFAULT, Number(query.get('maxResults') ?? PAGE_SIZE_DEFAULT))
  const after = Buffer.from(query.get('pageToken') ?? '', 'base64').toString()
  const items: StoredObject[] = []
  const prefixes = new Set<string>()
  let more = false
  for (const object of buckets.list(bucket, prefix)) {
    if (after !== '' && object.name <= after) continue
    const cut = delimiter ? object.name.indexOf(delimiter, prefix.length) : -1
    if (cut >= 0) prefixes.add(object.name.slice(0, cut + (delimiter?.length ?? 0)))
    else if (items.length < pageSize) items.push(object)
    else more = true
  }
  return {
    kind: 'storage#objects',
    items: items.map((object) => resourceOf(request, object)),
    ...(prefixes.size > 0 && { prefixes: [...prefixes] }),
    ...(more && { nextPageToken: Buffer.from(items.at(-1)?.name ?? '').toString('base64') }),
  }
}

function content(request: LocalRequest, object: StoredObject): Reply {
  const { settings, data } = object
  const disposition = request.url.searchParams.get('response-content-disposition') ?? settings.contentDisposition
  const headers: Record<string, string> = {
    'Content-Type': request.url.searchParams.get('response-content-type') ?? settings.contentType ?? '',
    'X-Goog-Hash': hashes(object),
    'X-Goog-Generation': object.generation,
    'X-Goog-Metageneration': object.metageneration,
    'X-Goog-Stored-Content-Length': String(data.length),
    'X-Goog-Stored-Content-Encoding': 'identity',
    ETag: `"${object.md5}"`,
    'Accept-Ranges': 'bytes',
    ...(settings.cacheControl && { 'Cache-Control': settings.cacheControl }),
    ...(disposition && { 'Content-Disposition': disposition }),
  }
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '')
  if (range === null || (range[1] === '' && range[2] === '')) return { status: 200, headers, body: data }
  const start = range[1] === '' ? Math.max(0, data.length - Number(range[2])) : Number(range[1])
  const end = range[1] === '' || range[2] === '' ? data.length - 1 : Math.min(Number(range[2]), data.length - 1)
  if (start >= data.length) return { status: 416, headers: { 'Content-Range': `bytes */${data.length}` } }
  return {
    status: 206,
    headers: { ...headers, 'Content-Range': `bytes ${start}-${end}/${data.length}` },
    body: data.subarray(start, end + 1),
  }
}

function resourceOf(request: LocalRequest, object: StoredObject): Record<string, unknown> {
  const self = `http://${request.headers.host}/storage/v1/b/${object.bucket}/o/${encodeURIComponent(object.name)}`
  return {
    kind: 'storage#object',
    id: `${object.bucket}/${object.name}/${object.generation}`,
    selfLink: self,
    mediaLink: `${self.replace('/storage/v1', '/download/storage/v1')}?generation=${object.generation}&alt=media`,
    name: object.name,
    bucket: object.bucket,
    generation: object.generation,
    metageneration: object.metageneration,
    storageClass: 'STANDARD',
    size: String(object.data.length),
    md5Hash: object.md5,
    crc32c: object.crc32c,
    etag: createHash('sha1').update(`${object.generation}/${object.metageneration}`).digest('base64'),
    timeCreated: object.timeCreated,
    updated: object.updated,
    ...object.settings,
  }
}

function hashes({ crc32c, md5 }: StoredObject): string {
  return `crc32c=${crc32c},md5=${md5}`
}

function settingsOf(request: LocalRequest): ObjectSettings {
  const contentType = headerOf(request, 'content-type')
  return contentType === undefined ? {} : { contentType }
}

function headerOf(request: LocalRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function lengthRange(request: LocalRequest): { min: number; max: number } | undefined {
  const [, min, max] = /^(\d+),(\d+)$/.exec(headerOf(request, 'x-goog-content-length-range') ?? '') ?? []
  return min === undefined ? undefined : { min: Number(min), max: Number(max) }
}

function conditionsOf(query: URLSearchParams): Conditions {
  return {
    ifGenerationMatch: query.get('ifGenerationMatch'),
    ifGenerationNotMatch: query.get('ifGenerationNotMatch'),
    ifMetagenerationMatch: query.get('ifMetagenerationMatch'),
  }
}

function requireConditions(conditions: Conditions, object: StoredObject | undefined): void {
  const result = checkConditions(conditions, object)
  if (result === 'failed')
    throw new ReplyError(
      apiError(412, 'At least one of the pre-conditions you specified did not hold.', 'conditionNotMet'),
    )
  if (result === 'notModified') throw new ReplyError({ status: 304 })
}

function requireBucket(buckets: Buckets, bucket: string): void {
  if (!buckets.has(bucket)) throw new ReplyError(apiError(404, 'The specified bucket does not exist.', 'notFound'))
}

function requireObject(request: LocalRequest, buckets: Buckets): StoredObject {
  const [bucket = '', name = ''] = request.params
  const object = buckets.get(bucket, name, request.url.searchParams.get('generation')) ?? notFound(bucket, name)
  requireConditions(conditionsOf(request.url.searchParams), object)
  return object
}

function notFound(bucket: string, name: string): never {
  throw new ReplyError(apiError(404, `No such object: ${bucket}/${name}`, 'notFound'))
}

function preconditionFailed(): Reply {
  return xmlError(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold.')
}

function apiError(code: number, message: string, reason = 'local'): Reply {
  return { status: code, json: { error: { code, message, errors: [{ domain: 'global', reason, message }] } } }
}

function xmlError(status: number, code: string, message: string): Reply {
  const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return { status, headers: { 'Content-Type': 'application/xml; charset=UTF-8' }, body }
}
