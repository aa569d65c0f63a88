import { createHash } from 'node:crypto'

import { ReplyError } from '../http-service.ts'
import type { LocalRequest, Reply } from '../http-service.ts'
import { checkConditions } from './objects.ts'
import type { Buckets, Conditions, ObjectSettings, StoredObject } from './objects.ts'

/** What the JSON and the XML API share: how requests are read, and how objects and refusals are put into words. */

export function content(request: LocalRequest, object: StoredObject): Reply {
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
    size: String(object.data.length),
    md5Hash: object.md5,
    crc32c: object.crc32c,
    etag: createHash('sha1').update(`${object.generation}/${object.metageneration}`).digest('base64'),
    timeCreated: object.timeCreated,
    updated: object.updated,
    ...object.settings,
  }
}

export function hashes({ crc32c, md5 }: StoredObject): string {
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

export function lengthRange(request: LocalRequest): { min: number; max: number } | undefined {
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
