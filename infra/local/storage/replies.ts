import { createHash } from 'node:crypto'

import { ReplyError } from '../http-service.ts'
import type { LocalRequest, Reply } from '../http-service.ts'
import type { StoredFile } from './files.ts'
import { checkConditions } from './objects.ts'
import type { Buckets, Conditions, ObjectSettings, StoredObject } from './objects.ts'

const NAME_BYTES_MAX = 1024

type LengthRange = { min: number; max: number }

/** What the JSON and the XML API share: how requests are read, and how objects and refusals are put into words. */

/** What an object holds, or the one range of it that was asked for. */
export function content(request: LocalRequest, buckets: Buckets, object: StoredObject): Reply {
  const { settings, file } = object
  const { sizeBytes } = file
  const disposition = request.url.searchParams.get('response-content-disposition') ?? settings.contentDisposition
  const headers: Record<string, string> = {
    'Content-Type': request.url.searchParams.get('response-content-type') ?? settings.contentType ?? '',
    'X-Goog-Hash': hashes(object),
    'X-Goog-Generation': object.generation,
    'X-Goog-Metageneration': object.metageneration,
    'X-Goog-Stored-Content-Length': String(sizeBytes),
    'X-Goog-Stored-Content-Encoding': 'identity',
    ETag: `"${file.md5}"`,
    'Accept-Ranges': 'bytes',
    ...(settings.cacheControl && { 'Cache-Control': settings.cacheControl }),
    ...(disposition && { 'Content-Disposition': disposition }),
  }
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '')
  if (range === null || (range[1] === '' && range[2] === ''))
    return { status: 200, headers: { ...headers, 'Content-Length': String(sizeBytes) }, body: buckets.files.read(file) }
  const start = range[1] === '' ? Math.max(0, sizeBytes - Number(range[2])) : Number(range[1])
  const end = range[1] === '' || range[2] === '' ? sizeBytes - 1 : Math.min(Number(range[2]), sizeBytes - 1)
  if (start >= sizeBytes) return { status: 416, headers: { 'Content-Range': `bytes */${sizeBytes}` } }
  return {
    status: 206,
    headers: {
      ...headers,
      'Content-Range': `bytes ${start}-${end}/${sizeBytes}`,
      'Content-Length': String(end - start + 1),
    },
    body: buckets.files.read(file, start, end),
  }
}

export function resourceOf(request: LocalRequest, object: StoredObject): Record<string, unknown> {
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
    size: String(object.file.sizeBytes),
    md5Hash: object.file.md5,
    crc32c: object.file.crc32c,
    etag: createHash('sha1').update(`${object.generation}/${object.metageneration}`).digest('base64'),
    timeCreated: object.timeCreated,
    updated: object.updated,
    ...object.settings,
  }
}

export function hashes({ file: { crc32c, md5 } }: StoredObject): string {
  return `crc32c=${crc32c},md5=${md5}`
}

export function settingsOf(request: LocalRequest): ObjectSettings {
  const contentType = headerOf(request, 'content-type')
  return contentType === undefined ? {} : { contentType }
}

export function headerOf(request: LocalRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

export function lengthRange(request: LocalRequest): LengthRange | undefined {
  const [, min, max] = /^(\d+),(\d+)$/.exec(headerOf(request, 'x-goog-content-length-range') ?? '') ?? []
  return min === undefined ? undefined : { min: Number(min), max: Number(max) }
}

export function conditionsOf(query: URLSearchParams): Conditions {
  return {
    ifGenerationMatch: query.get('ifGenerationMatch'),
    ifGenerationNotMatch: query.get('ifGenerationNotMatch'),
    ifMetagenerationMatch: query.get('ifMetagenerationMatch'),
  }
}

export function requireConditions(conditions: Conditions, object: StoredObject | undefined): void {
  const result = checkConditions(conditions, object)
  if (result === 'failed')
    throw new ReplyError(
      apiError(412, 'At least one of the pre-conditions you specified did not hold.', 'conditionNotMet'),
    )
  if (result === 'notModified') throw new ReplyError({ status: 304 })
}

/**
 * Makes an object of a file that is complete; who may not have it loses the file.
 * @param checksums what the client says they are
 * @throws ReplyError 404 without the bucket, 412 when a condition does not hold, 400 when a checksum is not the file's
 */
export function storeObject(
  buckets: Buckets,
  target: { bucket: string; name: string; settings: ObjectSettings; conditions: Conditions },
  file: StoredFile,
  checksums: { md5Hash?: string; crc32c?: string } = {},
): StoredObject {
  const { bucket, name, settings, conditions } = target
  try {
    requireName(name)
    requireBucket(buckets, bucket)
    requireConditions(conditions, buckets.get(bucket, name))
    for (const [said, is] of [
      [checksums.md5Hash, file.md5],
      [checksums.crc32c, file.crc32c],
    ])
      if (said !== undefined && said !== is)
        throw new ReplyError(apiError(400, `Provided hash "${said}" doesn't match calculated hash "${is}".`, 'invalid'))
  } catch (error) {
    buckets.files.remove(file)
    throw error
  }
  return buckets.put(bucket, name, file, settings)
}

/** @throws ReplyError 400 when a file is not as long as was signed; the file is removed */
export function refuseLength(buckets: Buckets, file: StoredFile, range: LengthRange | undefined): void {
  const { sizeBytes } = file
  if (range === undefined || (sizeBytes >= range.min && sizeBytes <= range.max)) return
  buckets.files.remove(file)
  throw new ReplyError(
    sizeBytes > range.max
      ? xmlError(400, 'EntityTooLarge', `Your proposed upload exceeds the maximum of ${range.max}.`)
      : xmlError(400, 'EntityTooSmall', `Your proposed upload is below the minimum of ${range.min}.`),
  )
}

/** https://docs.cloud.google.com/storage/docs/objects#naming */
export function requireName(name: string): void {
  const isOne = name !== '' && Buffer.byteLength(name) <= NAME_BYTES_MAX && !/[\r\n]/.test(name)
  if (!isOne || name === '.' || name === '..' || name.startsWith('.well-known/acme-challenge/'))
    throw new ReplyError(apiError(400, 'Not a name that an object may have.', 'invalid'))
}

export function requireBucket(buckets: Buckets, bucket: string): void {
  if (!buckets.has(bucket)) throw new ReplyError(apiError(404, 'The specified bucket does not exist.', 'notFound'))
}

export function requireObject(request: LocalRequest, buckets: Buckets): StoredObject {
  const [bucket = '', name = ''] = request.params
  const object = buckets.get(bucket, name, request.url.searchParams.get('generation')) ?? notFound(bucket, name)
  requireConditions(conditionsOf(request.url.searchParams), object)
  return object
}

export function notFound(bucket: string, name: string): never {
  throw new ReplyError(apiError(404, `No such object: ${bucket}/${name}`, 'notFound'))
}

export function preconditionFailed(): Reply {
  return xmlError(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold.')
}

export function apiError(code: number, message: string, reason = 'local'): Reply {
  return { status: code, json: { error: { code, message, errors: [{ domain: 'global', reason, message }] } } }
}

export function xmlError(status: number, code: string, message: string): Reply {
  const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return { status, headers: { 'Content-Type': 'application/xml; charset=UTF-8' }, body }
}
