import { HttpService } from '../../http-service.ts'
import type { LocalRequest, Reply, Route } from '../../http-service.ts'
import type { StandIn, StandInOptions, WorkLog } from '../stand-in.ts'
import { accountOf, makeAccounts, subscriptionOf, userOf } from './accounts.ts'
import type { Account, Permission } from './accounts.ts'
import { listModels } from './models.ts'
import { refusalOf, refuse, refuseAddress } from './refusals.ts'
import { answerTranscription } from './scribe.ts'
import { answerSpeech, readSpeech, SPEAKING_AT_ONCE } from './speech.ts'
import { listVoices, readVoice } from './voices.ts'

/**
 * ElevenLabs: real, audible speech by eSpeak NG with a character ledger and a concurrency limit, and speech to text; as
 * strict as its own definitions, about plans and permissions as well (see `makeAccounts`).
 */
export const elevenlabs: StandIn = {
  basePath: '',
  makeServers: (options, work) => ({ api: makeApi(options, work), behind: [] }),
}

type Handle = (request: LocalRequest, account: Account) => Promise<Reply> | Reply

function makeApi(options: StandInOptions, work: WorkLog): HttpService {
  const accounts = makeAccounts(options.apiKey)
  let speaking = 0

  const speak: Handle = async (request, account) => {
    const spoken = await readSpeech(request, account)
    if (request.fault?.mode === 'blocked') refuse(400, 'content_policy_violation', 'The text was declined.')
    if (speaking >= SPEAKING_AT_ONCE) refuse(429, 'concurrent_limit_exceeded', 'Too many concurrent requests.')
    speaking++
    try {
      return await answerSpeech(request, spoken, { account, options, work, speaking })
    } finally {
      speaking--
    }
  }
  const hear: Handle = (request) => {
    if (request.fault?.mode === 'blocked') refuse(400, 'content_policy_violation', 'The audio was declined.')
    return answerTranscription(request, options, work)
  }

  const route = (method: string, path: RegExp, permission: Permission, handle: Handle): Route => ({
    method,
    path,
    handle: (request) => handle(request, accountOf(accounts, request, permission)),
  })
  const get = (path: RegExp, permission: Permission, answer: (request: LocalRequest, account: Account) => unknown) =>
    route('GET', path, permission, (request, account) => ({ status: 200, json: answer(request, account) }))
  const routes = [
    route('POST', /^\/v1\/text-to-speech\/([^/]+)(?:\/(stream|with-timestamps))?$/, 'text_to_speech', speak),
    route('POST', /^\/v1\/speech-to-text$/, 'speech_to_text', hear),
    get(/^\/v2\/voices$/, 'voices_read', ({ url }) => listVoices(url)),
    get(/^\/v1\/voices\/([^/]+)$/, 'voices_read', ({ params: [id = ''] }) => readVoice(id)),
    get(/^\/v1\/models$/, 'models_read', listModels),
    get(/^\/v1\/user$/, 'user_read', (_request, account) => userOf(account)),
    get(/^\/v1\/user\/subscription$/, 'user_read', (_request, account) => subscriptionOf(account)),
    ...UNPLAYED,
  ]
  return new HttpService({ ...options, target: 'elevenlabs', routes, refuse: refusalOf })
}

/** Whatever else there may be at ElevenLabs is not played here, and says so. */
const UNPLAYED: readonly Route[] = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'].map((method) => ({
  method,
  path: /^\//,
  handle: ({ url }) => refuseAddress(`${method} ${url.pathname}`),
}))
