import { Readable } from 'node:stream'
import * as z from 'zod'

import type { Transcriber, TranscriptRequest, TranscriptState } from '../../podcast/ports.ts'
import type { CallContext } from '../../resilience/call-context.ts'
import { callProvider } from '../call-provider.ts'
import type { Account, GuardedAccount } from '../definition.ts'
import { sendForHeard } from '../heard.ts'
import { askForHealth, ignoreRefusal, requestsOf, send, sendForJson } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { providerId, providerUrl } from '../strings.ts'
import { callsBack, placeToken } from '../webhook.ts'
import { readJob } from './job.ts'
import { languages } from './languages.ts'
import { findListed, JOB_PARAMETER, JobPage, PAGE_LIMIT } from './lost-jobs.ts'
import { explainGone, explainMissing } from './refusals.ts'
import { submissionOf } from './submission.ts'

type Settings = { readonly ASSEMBLYAI_SPEECH_MODELS: readonly string[] }

const CONTROL_TIMEOUT_MS = 15_000
const UPLOAD_TIMEOUT_MS = 300_000
const LIST_BYTES_MAX = 4 * 1024 * 1024

const Submitted = z.object({ id: providerId })
const Uploaded = z.object({ upload_url: providerUrl })

/** Whether the service answers and takes our key. Neither its balance nor its models can be asked for. */
export async function checkAccount(account: Account, signal: AbortSignal): Promise<undefined> {
  await askForHealth(creatorOf(account)('check', 'GET', '/v2/transcript?limit=1'), JobPage, signal)
}

export function makeTranscriber(account: GuardedAccount<Settings>): Transcriber {
  const { guard, config, name } = account
  const buildRequest = requestBuilder(account)
  const buildCreator = creatorOf(account)
  const control = { guard, attemptTimeoutMs: CONTROL_TIMEOUT_MS }

  return {
    name,
    kind: 'job',
    callsBack: callsBack(account),
    takes: languages.takes,

    async submit(request, call) {
      const wanted = {
        language: request.language,
        models: config.settings.ASSEMBLYAI_SPEECH_MODELS,
        webhook: placeToken(account, request.webhook),
      }
      // Before anything is uploaded for it.
      if (submissionOf({ ...wanted, audioUrl: '' }) === undefined) throw languageNotTaken(name, request.language)
      const audioUrl = config.canReachStorage
        ? await request.recording.link({ [JOB_PARAMETER]: request.jobKey })
        : (request.uploadedTo ?? (await upload(request, call)))
      const body = JSON.stringify(submissionOf({ ...wanted, audioUrl }))
      const attempt = (signal: AbortSignal) =>
        sendForJson(buildCreator('submit', 'POST', '/v2/transcript', body), Submitted, 1_048_576, call, signal)
      return callProvider({ ...control, operation: 'submit', attemptsMax: 1, attempt }, call)
    },

    async find(job, call) {
      return findListed(job, (beforeId) => {
        const query = new URLSearchParams({
          limit: `${PAGE_LIMIT}`,
          ...(beforeId !== undefined && { before_id: beforeId }),
        })
        const request = () => buildCreator('list', 'GET', `/v2/transcript?${query.toString()}`)
        const attempt = (signal: AbortSignal) => sendForJson(request(), JobPage, LIST_BYTES_MAX, call, signal)
        return callProvider({ ...control, operation: 'list', attemptsMax: 3, attempt }, call)
      })
    },

    async read(id, call) {
      const request = () => ({ ...buildRequest('read', 'GET', pathOf(id)), explain: explainGone })
      const attempt = (signal: AbortSignal) => sendForHeard(request(), readJob, call, signal)
      return callProvider({ ...control, operation: 'read', attemptsMax: 3, attempt }, call).catch(stateOfMissing)
    },

    async remove(id, call) {
      const attempt = async (signal: AbortSignal) => {
        // What was removed comes back, and nobody reads it.
        const removed = await send(buildRequest('remove', 'DELETE', pathOf(id)), call, signal)
        await removed.body?.cancel()
      }
      await ignoreRefusal(callProvider({ ...control, operation: 'remove', attemptsMax: 2, attempt }, call))
    },
  }

  /** Sends the recording itself; only the provider can read what is at the URL. Remembered before it is used. */
  async function upload({ recording, rememberUpload }: TranscriptRequest, call: CallContext): Promise<string> {
    const audio = await recording.bytes()
    const attempt = async (signal: AbortSignal) => {
      const sent = buildCreator('upload', 'POST', '/v2/upload', Readable.toWeb(audio))
      sent.headers['Content-Type'] = 'application/octet-stream'
      return (await sendForJson(sent, Uploaded, 65_536, call, signal)).upload_url
    }
    const limits = { attemptTimeoutMs: UPLOAD_TIMEOUT_MS, attemptsMax: 1 }
    const uploadedTo = await callProvider({ guard, operation: 'upload', ...limits, attempt }, call)
    await rememberUpload(uploadedTo)
    return uploadedTo
  }
}

function requestBuilder(account: Account) {
  return requestsOf(account, { Authorization: account.config.apiKey })
}

/** For what creates or lists: a 404 means that there is no such endpoint. */
function creatorOf(account: Account) {
  const build = requestBuilder(account)
  return (...request: Parameters<typeof build>): ProviderRequest => ({ ...build(...request), explain: explainMissing })
}

function pathOf(id: string): string {
  return `/v2/transcript/${encodeURIComponent(id.toWellFormed())}`
}

function languageNotTaken(name: string, language: string): ProviderError {
  return new ProviderError(name, 'submit', {
    kind: 'invalid_input',
    message: `it does not have the language ${language}`,
  })
}

/** A job that is gone will not end: another may. */
function stateOfMissing(error: unknown): TranscriptState {
  if (error instanceof ProviderError && error.kind === 'not_found')
    return { state: 'failed', reason: 'ended', message: error.message }
  throw error
}
