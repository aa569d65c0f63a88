import * as z from 'zod'

import type { Writer } from '../../podcast/ports.ts'
import { callProvider } from '../call-provider.ts'
import type { Account, GuardedAccount } from '../definition.ts'
import { askForHealth, requestsOf, sendForJson } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { Generated, readAnswer } from './answer.ts'
import { notesRequest, notesVersion } from './request.ts'
import type { GeminiSettings } from './request.ts'

const GENERATE_TIMEOUT_MS = 120_000
const ANSWER_BYTES_MAX = 2 * 1024 * 1024

const Model = z.object({ name: z.string(), supportedGenerationMethods: z.array(z.string()).optional() })

/**
 * Whether the service answers, takes our key and still has our model for what we use it for; no tokens are used.
 * @throws ProviderError misconfigured when the model was retired
 */
export async function checkAccount(account: Account<GeminiSettings>, signal: AbortSignal): Promise<undefined> {
  const asked = requestBuilder(account)('check', 'GET', pathOf(account))
  const { name, supportedGenerationMethods } = await askForHealth(asked, Model, signal)
  if (supportedGenerationMethods?.includes('generateContent') === false)
    throw new ProviderError(account.name, 'check', {
      kind: 'misconfigured',
      message: `${name} does not support generateContent`,
    })
}

export function makeWriter(account: GuardedAccount<GeminiSettings>): Writer {
  const { guard, name } = account
  const { settings } = account.config
  const buildRequest = requestBuilder(account)
  return {
    name,
    kind: 'call',
    callsBack: false,
    version: notesVersion(settings),

    /** Sent once: an answer that never arrived is charged all the same. */
    async writeNotes(material, call) {
      const body = JSON.stringify(notesRequest(material, settings))
      const request = buildRequest('generateContent', 'POST', `${pathOf(account)}:generateContent`, body)
      const attempt = async (signal: AbortSignal) =>
        readAnswer(request, await sendForJson(request, Generated, ANSWER_BYTES_MAX, call, signal), material)
      const limits = { attemptTimeoutMs: GENERATE_TIMEOUT_MS, attemptsMax: 1, charges: { calls: 1 } }
      return callProvider({ guard, operation: 'generateContent', ...limits, attempt }, call)
    },
  }
}

function requestBuilder(account: Account) {
  return requestsOf(account, { 'x-goog-api-key': account.config.apiKey })
}

/** Of the configured model. */
function pathOf({ config }: Account<GeminiSettings>): string {
  return `/${config.settings.GEMINI_API_VERSION}/models/${config.settings.GEMINI_MODEL}`
}
