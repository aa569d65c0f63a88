import busboy from 'busboy'

import { PRODUCTION_STATUS } from '../../../../shared/providers/auphonic/api.ts'
import type { EnvelopeAnswer } from '../../../../shared/providers/auphonic/api.ts'
import { HttpService, ReplyError } from '../../http-service.ts'
import type { LocalRequest, Reply, Route } from '../../http-service.ts'
import { Jobs } from '../jobs.ts'
import { episodeIn, STAND_IN_NOTICE } from '../stand-in.ts'
import type { StandIn, StandInOptions, WorkLog } from '../stand-in.ts'
import { deliverWebhook } from '../webhook.ts'
import { Production } from './production.ts'
import type { KeptProduction } from './production.ts'
import { ALGORITHMS_INFO, Details, formErrors, OUTPUT_FILES_INFO } from './requests.ts'
import { auphonicStorage, DownloadLinks } from './storage.ts'

const PAGE = { limit: 20, most: 100 }

/** Auphonic's production API; the audio is really mastered, and downloads redirect to a storage of their own. */
export const auphonic: StandIn = { basePath: '/api', makeServers }

function makeServers(options: StandInOptions, work: WorkLog): ReturnType<StandIn['makeServers']> {
  const productions = new Jobs<Production, KeptProduction>(options.kept?.('auphonic-productions'), {
    save: (production) => production.save(),
    load: (kept) => new Production(kept),
  })
  const downloads = new DownloadLinks()
  const storage = auphonicStorage(options, downloads)

  const find = (request: LocalRequest): Production => {
    requireKey(request, options.apiKey)
    const production = productions.get(request.params[0] ?? '')
    if (production === undefined) throw new ReplyError(refuse(404, 'Production not found'))
    return production
  }
  const show = (production: Production): Reply => answer(production.view(api.origin))
  const showChanged = (production: Production): Reply => {
    productions.change(production.uuid)
    return show(production)
  }
  const begin = (production: Production): void =>
    void run(production, { ...options, work, keep: () => productions.change(production.uuid) })
  const start = (production: Production): Reply => {
    if (!production.startAllowed) return refuse(400, 'Production cannot be started in its current state')
    begin(production)
    return showChanged(production)
  }
  const resume = () => {
    for (const production of productions.all()) if (production.isRunning) begin(production)
  }

  const routes: Route[] = [
    {
      method: 'POST',
      path: /^\/api\/productions\.json$/,
      handle: async (request) => {
        requireKey(request, options.apiKey)
        const details = await readDetails(request)
        if (request.fault?.mode === 'blocked') return refuse(400, 'The content was declined')
        request.concerns(episodeIn(JSON.stringify(details)) ?? '')
        const production = Production.of(details)
        productions.put(production.uuid, production)
        return details.action === 'start' ? start(production) : show(production)
      },
    },
    {
      method: 'GET',
      path: /^\/api\/productions\.json$/,
      handle: (request) => {
        requireKey(request, options.apiKey)
        const [limit, offset] = [numberOf(request, 'limit', PAGE.limit), numberOf(request, 'offset', 0)]
        const newest = productions
          .all()
          .toReversed()
          .slice(offset, offset + Math.min(limit, PAGE.most))
        const uuids = request.url.searchParams.get('uuids_only') === '1'
        return answer(newest.map((production) => (uuids ? production.uuid : production.view(api.origin))))
      },
    },
    {
      method: 'GET',
      path: /^\/api\/production\/(\w+)\.json$/,
      handle: (request) => show(find(request)),
    },
    {
      method: 'POST',
      path: /^\/api\/production\/(\w+)\.json$/,
      handle: async (request) => {
        const production = find(request)
        if (production.isRunning) return refuse(400, 'Production cannot be changed in its current state')
        const details = await readDetails(request)
        production.update(details)
        return details.action === 'start' ? start(production) : showChanged(production)
      },
    },
    {
      method: 'GET',
      path: /^\/api\/production\/(\w+)\/status\.json$/,
      handle: (request) => {
        const [status, statusString] = PRODUCTION_STATUS[find(request).status]
        return answer({ status, status_string: statusString })
      },
    },
    {
      method: 'DELETE',
      path: /^\/api\/production\/(\w+)\.json$/,
      handle: (request) => {
        productions.remove(find(request).uuid)
        return answer({})
      },
    },
    {
      method: 'POST',
      path: /^\/api\/production\/(\w+)\/upload\.json$/,
      handle: async (request) => {
        const production = find(request)
        if (production.isRunning) return refuse(400, 'Production cannot be changed in its current state')
        const files = await filesOf(request)
        const unknown = [...files.keys()].filter((field) => !production.uploadFields.has(field))
        const errors = unknown.map((field) => [field, [`Unknown field ${field}: no input file has this id`]])
        if (errors.length > 0) return refuse(400, 'Invalid fields', Object.fromEntries(errors))
        if (files.size === 0) return refuse(400, 'No file was uploaded', { input_file: ['This field is required.'] })
        production.upload(files)
        return showChanged(production)
      },
    },
    { method: 'POST', path: /^\/api\/production\/(\w+)\/start\.json$/, handle: (request) => start(find(request)) },
    {
      method: 'POST',
      path: /^\/api\/production\/(\w+)\/stop\.json$/,
      handle: (request) => {
        const production = find(request)
        void production.stop().then(() => productions.change(production.uuid))
        return show(production)
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
      handle: () => answer(Object.fromEntries(Object.values(PRODUCTION_STATUS).map(([code, text]) => [code, text]))),
    },
    { method: 'GET', path: /^\/api\/info\/algorithms\.json$/, handle: () => answer(ALGORITHMS_INFO) },
    { method: 'GET', path: /^\/api\/info\/output_files\.json$/, handle: () => answer(OUTPUT_FILES_INFO) },
  ]
  const api = new HttpService({
    ...options,
    target: 'auphonic',
    routes,
    refuse: (status, headers) => ({ ...refuse(status, wordsFor(status)), headers }),
    onStop: () => productions.close(),
  })
  return { api, behind: [storage], resume }
}

type Running = StandInOptions & { readonly work: WorkLog; readonly keep: () => void }

async function run(production: Production, { work, keep, ...options }: Running): Promise<void> {
  const startedAtMs = Date.now()
  const hasNews = await production.work(options.pace.factor)
  keep()
  work.record('auphonic', episodeIn(JSON.stringify(production.details)), startedAtMs, production.bill)
  const { webhook } = production.details
  if (!hasNews || !webhook) return
  const [status, statusString] = PRODUCTION_STATUS[production.status]
  const body = new URLSearchParams({
    uuid: production.uuid,
    status: String(status),
    status_string: statusString,
  }).toString()
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  // No retry is documented.
  await deliverWebhook('auphonic', options.faults, { url: webhook, headers, body }, { attemptsMax: 1, spacingMs: 0 })
}

/** The form of a production. @throws ReplyError for what Auphonic does not have */
async function readDetails(request: LocalRequest): Promise<Details> {
  const parsed = Details.safeParse(await request.json())
  if (!parsed.success) {
    const errors = formErrors(parsed.error)
    throw new ReplyError(refuse(400, `Invalid fields: ${Object.keys(errors).join(', ')}`, errors))
  }
  if (parsed.data.preset !== undefined) throw new ReplyError(refuse(404, 'Preset not found'))
  return parsed.data
}

function numberOf({ url }: LocalRequest, name: string, otherwise: number): number {
  const value = url.searchParams.get(name)
  if (value === null) return otherwise
  if (!/^\d{1,9}$/.test(value)) throw new ReplyError(refuse(400, `Invalid parameter: ${name}`))
  return Number(value)
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
  const json: EnvelopeAnswer<unknown> = { status_code: 200, error_code: null, error_message: '', form_errors: {}, data }
  return { status: 200, json }
}

function refuse(status: number, message: string, errors: EnvelopeAnswer<object>['form_errors'] = {}): Reply {
  const json: EnvelopeAnswer<object> = {
    status_code: status,
    error_code: String(status),
    error_message: message,
    form_errors: errors,
    data: {},
  }
  return { status, json }
}

function wordsFor(status: number): string {
  if (status === 401) return 'Authentication failed'
  if (status === 402) return 'Not enough credits'
  return status === 404 ? 'Not found' : 'Service temporarily unavailable'
}
