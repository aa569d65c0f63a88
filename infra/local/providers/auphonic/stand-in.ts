import { randomBytes } from 'node:crypto'

import busboy from 'busboy'
import * as z from 'zod'

import { durationSeconds, master } from '../../audio/mastering.ts'
import { HttpService, ReplyError } from '../../http-service.ts'
import type { LocalRequest, Reply, Route } from '../../http-service.ts'
import { auphonicStorage, DownloadLinks } from './storage.ts'
import { episodeIn, fetchAudio, STAND_IN_NOTICE, wait } from '../stand-in.ts'
import type { StandIn, StandInOptions, WorkLog } from '../stand-in.ts'
import { deliverWebhook } from '../webhook.ts'

const Create = z.looseObject({
  input_file: z.string().optional(),
  output_basename: z.string().optional(),
  metadata: z.looseObject({ title: z.string().optional() }).optional(),
  algorithms: z.looseObject({ loudnesstarget: z.coerce.number().min(-31).max(-13).optional() }).optional(),
  multi_input_files: z.array(z.looseObject({ type: z.string(), input_file: z.string() })).optional(),
  webhook: z.string().nullish(),
  action: z.enum(['start', 'save']).optional(),
})

/** https://auphonic.com/api/info/production_status.json */
const STATUS = {
  error: [2, 'Error'],
  done: [3, 'Done'],
  processing: [4, 'Audio Processing'],
  encoding: [5, 'Audio Encoding'],
  incomplete: [9, 'Incomplete'],
  notStarted: [10, 'Not Started Yet'],
  incoming: [12, 'Incoming File Transfer'],
} as const
type StatusName = keyof typeof STATUS

type Production = {
  uuid: string
  request: z.infer<typeof Create>
  status: StatusName
  uploads: Map<string, Buffer>
  created: string
  starts: number
  errorMessage: string
  output: Buffer | undefined
  lengthSeconds: number | undefined
}

const LATENCY_MS = { base: 2500, shareOfAudio: 0.03 }

/** Auphonic's production API; the audio is really mastered, and downloads redirect to a storage of their own. */
export const auphonic: StandIn = { basePath: '/api', makeServers }

function makeServers(options: StandInOptions, work: WorkLog): ReturnType<StandIn['makeServers']> {
  const productions = new Map<string, Production>()
  const downloads = new DownloadLinks()
  const storage = auphonicStorage(options, downloads)

  const find = (request: LocalRequest): Production => {
    requireKey(request, options.apiKey)
    const production = productions.get(request.params[0] ?? '')
    if (production === undefined) throw new ReplyError(refuse(404, 'Production not found'))
    return production
  }
  const start = (production: Production): Reply => {
    if (!startAllowed(production)) return refuse(400, 'Production cannot be started in its current state')
    production.starts++
    production.status = 'incoming'
    void run(production, options, work)
    return answer(viewOf(production, api.origin))
  }

  const routes: Route[] = [
    {
      method: 'POST',
      path: /^\/api\/productions\.json$/,
      handle: async (request) => {
        requireKey(request, options.apiKey)
        const parsed = Create.safeParse(await request.json())
        if (!parsed.success) return refuse(400, `Invalid field: ${parsed.error.issues[0]?.path.join('.')}`)
        if (request.fault?.mode === 'blocked') return refuse(400, 'The content was declined')
        request.concerns(episodeIn(JSON.stringify(parsed.data)) ?? '')
        const production = newProduction(parsed.data)
        productions.set(production.uuid, production)
        return parsed.data.action === 'start' ? start(production) : answer(viewOf(production, api.origin))
      },
    },
    {
      method: 'GET',
      path: /^\/api\/productions\.json$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const [limit, offset] = ['limit', 'offset'].map((name) => Number(request.url.searchParams.get(name) ?? 0))
        const newest = [...productions.values()].toReversed().slice(offset, (offset ?? 0) + (limit || 20))
        const uuids = request.url.searchParams.get('uuids_only') === '1'
        return answer(newest.map((production) => (uuids ? production.uuid : viewOf(production, api.origin))))
      },
    },
    {
      method: 'GET',
      path: /^\/api\/production\/(\w+)\.json$/,
      handle: (request) => answer(viewOf(find(request), api.origin)),
    },
    {
      method: 'GET',
      path: /^\/api\/production\/(\w+)\/status\.json$/,
      handle: (request) => {
        const [status, statusString] = STATUS[find(request).status]
        return answer({ status, status_string: statusString })
      },
    },
    {
      method: 'DELETE',
      path: /^\/api\/production\/(\w+)\.json$/,
      handle: (request) => {
        productions.delete(find(request).uuid)
        return answer({})
      },
    },
    {
      method: 'POST',
      path: /^\/api\/production\/(\w+)\/upload\.json$/,
      handle: async (request) => {
        const production = find(request)
        for (const [field, data] of await filesOf(request)) production.uploads.set(field, data)
        if (production.status === 'incomplete') production.status = 'notStarted'
        return answer(viewOf(production, api.origin))
      },
    },
    { method: 'POST', path: /^\/api\/production\/(\w+)\/start\.json$/, handle: (request) => start(find(request)) },
    {
      method: 'POST',
      path: /^\/api\/production\/(\w+)\/stop\.json$/,
      handle: (request) => {
        const production = find(request)
        if (production.output === undefined) production.status = 'notStarted'
        return answer(viewOf(production, api.origin))
      },
    },
    {
      method: 'GET',
      path: /^\/api\/download\/audio-result\/(\w+)\/[^/]+$/,
      handle: (request) => {
        const { output } = find(request)
        if (output === undefined) return refuse(404, 'No such file')
        return { status: 302, headers: { Location: `${storage.origin}/result/${downloads.add(output)}` } }
      },
    },
    {
      method: 'GET',
      path: /^\/api\/user\.json$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        return answer({
          username: 'stand-in',
          user_id: '1',
          credits: 9.5,
          onetime_credits: 0,
          recurring_credits: 9.5,
          notice: STAND_IN_NOTICE,
        })
      },
    },
    {
      method: 'GET',
      path: /^\/api\/info\/production_status\.json$/,
      handle: () => answer(Object.fromEntries(Object.values(STATUS).map(([code, text]) => [code, text]))),
    },
  ]
  const api = new HttpService({
    ...options,
    target: 'auphonic',
    routes,
    refuse: (status, headers) => ({ ...refuse(status, wordsFor(status)), headers }),
  })
  return { api, behind: [storage] }
}

function newProduction(request: z.infer<typeof Create>): Production {
  return {
    uuid: randomBytes(16).toString('base64url').replace(/[-_]/g, 'x').slice(0, 22),
    request,
    status: request.input_file === undefined ? 'incomplete' : 'notStarted',
    uploads: new Map(),
    created: new Date().toISOString(),
    starts: 0,
    errorMessage: '',
    output: undefined,
    lengthSeconds: undefined,
  }
}

async function run(production: Production, options: StandInOptions, work: WorkLog): Promise<void> {
  const startedAtMs = Date.now()
  try {
    await process(production, options.pace.factor)
  } catch (error) {
    production.status = 'error'
    production.errorMessage = `Audio could not be processed: ${error instanceof Error ? error.message : 'unknown format'}`
  }
  work.record('auphonic', episodeIn(JSON.stringify(production.request)), startedAtMs)
  const { webhook } = production.request
  if (webhook == null) return
  const [status, statusString] = STATUS[production.status]
  const body = new URLSearchParams({
    uuid: production.uuid,
    status: String(status),
    status_string: statusString,
  }).toString()
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  // No retry is documented.
  await deliverWebhook('auphonic', options.faults, { url: webhook, headers, body }, { attemptsMax: 1, spacingMs: 0 })
}

async function process(production: Production, latencyFactor: number): Promise<void> {
  const startedAtMs = Date.now()
  const { input_file: url, multi_input_files: others, algorithms } = production.request
  const introUrl = others?.find(({ type }) => type === 'intro')?.input_file
  const recording = production.uploads.get('input_file') ?? (url && (await fetchAudio(url)))
  const intro = production.uploads.get('intro') ?? (introUrl && (await fetchAudio(introUrl)))
  if (!recording || (introUrl && !intro)) throw new Error('the input file could not be downloaded')
  production.status = 'processing'
  const seconds = await durationSeconds(recording)
  const output = await master(recording, intro || undefined, algorithms?.loudnesstarget ?? -16)
  production.status = 'encoding'
  await wait((LATENCY_MS.base + seconds * 1000 * LATENCY_MS.shareOfAudio) * latencyFactor - (Date.now() - startedAtMs))
  production.output = Buffer.from(output)
  production.lengthSeconds = await durationSeconds(output)
  production.status = 'done'
}

function startAllowed({ status }: Production): boolean {
  return status === 'notStarted'
}

function viewOf(production: Production, origin: string): Record<string, unknown> {
  const { uuid, request, output } = production
  const [status, statusString] = STATUS[production.status]
  const filename = `${request.output_basename ?? 'result'}.mp3`
  // Hours, three minutes at least.
  const creditHours = Math.max(0.05, (production.lengthSeconds ?? 0) / 3600)
  return {
    uuid,
    status,
    status_string: statusString,
    error_status: production.status === 'error' ? 2 : null,
    error_message: production.errorMessage,
    warning_message: STAND_IN_NOTICE,
    length: production.lengthSeconds ?? 0,
    format: 'mp3',
    start_allowed: startAllowed(production),
    change_allowed: production.status === 'notStarted' || production.status === 'incomplete',
    output_basename: request.output_basename ?? '',
    metadata: request.metadata ?? {},
    webhook: request.webhook ?? '',
    creation_time: production.created,
    used_credits: { recurring: creditHours, onetime: 0, combined: creditHours },
    output_files: output
      ? [
          {
            format: 'mp3',
            ending: 'mp3',
            filename,
            bitrate: '128',
            size: output.length,
            download_url: `${origin}/api/download/audio-result/${uuid}/${encodeURIComponent(filename)}`,
          },
        ]
      : [{ format: 'mp3', ending: 'mp3', filename, bitrate: '128', size: null, download_url: null }],
  }
}

async function filesOf(request: LocalRequest): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const body = await request.bytes()
  const parser = busboy({ headers: request.headers })
  parser.on('file', (field, stream) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => files.set(field, Buffer.concat(chunks)))
  })
  await new Promise<void>((resolve, reject) => {
    parser.once('close', () => resolve()).once('error', reject)
    parser.end(body)
  })
  return files
}

function requireKey(request: LocalRequest, apiKey: string): void {
  if (request.headers.authorization !== `Bearer ${apiKey}`) throw new ReplyError(refuse(401, wordsFor(401)))
}

/** Every JSON answer is in the envelope, with the status a second time inside it. */
function answer(data: unknown): Reply {
  return { status: 200, json: { status_code: 200, error_code: null, error_message: '', form_errors: {}, data } }
}

function refuse(status: number, message: string): Reply {
  return {
    status,
    json: { status_code: status, error_code: String(status), error_message: message, form_errors: {}, data: {} },
  }
}

function wordsFor(status: number): string {
  if (status === 401) return 'Authentication failed'
  if (status === 402) return 'Not enough credits'
  return status === 404 ? 'Not found' : 'Service temporarily unavailable'
}
