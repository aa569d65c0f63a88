import type { LocalRequest, Route } from '../http-service.ts'
import type { FileStore, StoredFile } from './files.ts'
import { compareBytes } from './objects.ts'
import type { Buckets, ObjectSettings, StoredObject } from './objects.ts'
import {
  content,
  resourceOf,
  conditionsOf,
  requireConditions,
  requireBucket,
  requireObject,
  notFound,
  apiError,
} from './replies.ts'

const PAGE_SIZE_DEFAULT = 1000
const BUCKETS = /^(?:\/storage\/v1)?\/b$/
const BUCKET = /^(?:\/storage\/v1)?\/b\/([^/]+)$/
const OBJECTS = /^(?:\/storage\/v1)?\/b\/([^/]+)\/o$/
const OBJECT = /^(?:\/download)?(?:\/storage\/v1)?\/b\/([^/]+)\/o\/([^/]+)$/
const COMPOSE = /^(?:\/storage\/v1)?\/b\/([^/]+)\/o\/([^/]+)\/compose$/
const COPY = /^(?:\/storage\/v1)?\/b\/([^/]+)\/o\/([^/]+)\/(rewriteTo|copyTo)\/b\/([^/]+)\/o\/([^/]+)$/

/** Buckets of the JSON API. */
export function bucketRoutes(buckets: Buckets): Route[] {
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

/** Objects of the JSON API. */
export function objectRoutes(buckets: Buckets): Route[] {
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
          ? content(request, buckets, object)
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
        const file = await joinFiles(buckets.files, sources)
        return { status: 200, json: resourceOf(request, buckets.put(bucket, name, file, destination ?? {})) }
      },
    },
    {
      method: 'POST',
      path: COPY,
      handle: async (request) => {
        const [fromBucket = '', fromName = '', verb, toBucket = '', toName = ''] = request.params
        const bytes = await request.bytes()
        const settings = bytes.length === 0 ? {} : (JSON.parse(bytes.toString()) as ObjectSettings)
        const source = buckets.get(fromBucket, fromName) ?? notFound(fromBucket, fromName)
        requireConditions(conditionsOf(request.url.searchParams), buckets.get(toBucket, toName))
        requireBucket(buckets, toBucket)
        const copied = buckets.files.copy(source.file)
        const resource = resourceOf(request, buckets.put(toBucket, toName, copied, { ...source.settings, ...settings }))
        const size = String(copied.sizeBytes)
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

async function joinFiles(files: FileStore, objects: readonly StoredObject[]): Promise<StoredFile> {
  // Opened at once, before any can be removed.
  const sources = objects.map(({ file }) => files.read(file))
  const writer = files.create()
  for (const source of sources) for await (const chunk of source) await writer.write(chunk as Buffer)
  return writer.finish()
}

function listing(request: LocalRequest, buckets: Buckets, bucket: string): unknown {
  const query = request.url.searchParams
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter')]
  const pageSize = Math.min(PAGE_SIZE_DEFAULT, Number(query.get('maxResults') ?? PAGE_SIZE_DEFAULT))
  const after = Buffer.from(query.get('pageToken') ?? '', 'base64').toString()
  const page = { items: [] as StoredObject[], prefixes: [] as string[] }
  let last = after
  let more = false
  for (const object of buckets.list(bucket, prefix)) {
    const cut = delimiter ? object.name.indexOf(delimiter, prefix.length) : -1
    const folder = cut < 0 ? undefined : object.name.slice(0, cut + (delimiter?.length ?? 0))
    // A folder is one entry, whatever is in it, and on one page alone.
    const entry = folder ?? object.name
    if (last !== '' && compareBytes(entry, last) <= 0) continue
    more = page.items.length + page.prefixes.length >= pageSize
    if (more) break
    last = entry
    if (folder === undefined) page.items.push(object)
    else page.prefixes.push(folder)
  }
  return {
    kind: 'storage#objects',
    ...(page.items.length > 0 && { items: page.items.map((object) => resourceOf(request, object)) }),
    ...(page.prefixes.length > 0 && { prefixes: page.prefixes }),
    ...(more && { nextPageToken: Buffer.from(last).toString('base64') }),
  }
}
