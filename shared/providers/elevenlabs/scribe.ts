import { Readable } from 'node:stream'

import { RecordingUnfetched } from '../../podcast/errors.ts'
import type { CallTranscriber, TranscriptionRequest } from '../../podcast/ports.ts'
import { callProvider } from '../call-provider.ts'
import type { GuardedAccount } from '../definition.ts'
import { sendForHeard } from '../heard.ts'
import type { ProviderRequest } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { requestBuilder } from './account.ts'
import type { ElevenLabsSettings } from './account.ts'
import { explainRecording } from './errors.ts'
import { readHeard } from './heard.ts'
import { codeOf, languages } from './languages.ts'

/**
 * An hour of audio takes it a minute or two. A work function is given nine minutes, and what it is still waiting for then
 * is lost, and charged.
 */
const TRANSCRIBE_TIMEOUT_MS = 8 * 60_000

/** Speech to text with Scribe: https://elevenlabs.io/docs/api-reference/speech-to-text */
export function makeTranscriber(account: GuardedAccount<ElevenLabsSettings>): CallTranscriber {
  const { guard, name, config } = account
  const buildRequest = requestBuilder(account)
  return {
    name,
    kind: 'call',
    callsBack: false,
    takes: languages.takes,

    /** Sent once: it is charged by the length of the recording. */
    async transcribe(request, call) {
      if (!languages.takes(request.language))
        throw new ProviderError(name, 'speechToText', {
          kind: 'invalid_input',
          message: `it has no language ${request.language}`,
        })
      const form = await formFor(request, config.settings.ELEVENLABS_STT_MODEL, config.canReachStorage)
      const post = buildRequest('speechToText', 'POST', '/v1/speech-to-text', form)
      const sent: ProviderRequest = { ...post, explain: explainRecording, slow: true }
      const attempt = (signal: AbortSignal) => sendForHeard(sent, readHeard, call, signal)
      const limits = { attemptTimeoutMs: TRANSCRIBE_TIMEOUT_MS, attemptsMax: 1, charges: { calls: 1 } }
      const heard = callProvider({ guard, operation: 'speechToText', ...limits, attempt }, call)
      return heard.catch((error: unknown) => {
        throw config.canReachStorage && isRefusedSource(error)
          ? new RecordingUnfetched({ technical: error.message, cause: error })
          : error
      })
    },
  }
}

/** Refused for what we said of where the recording is: an answer that lacks something has no such status. */
function isRefusedSource(error: unknown): error is ProviderError {
  return error instanceof ProviderError && error.kind === 'unusable' && (error.status ?? 0) >= 400
}

async function formFor(
  { language, recording }: TranscriptionRequest,
  model: string,
  canReachStorage: boolean,
): Promise<FormData> {
  const form = new FormData()
  for (const [name, value] of Object.entries(listeningFields(language, model))) form.set(name, value)
  if (canReachStorage) form.set('source_url', await recording.link())
  else {
    const bytes = new Response(Readable.toWeb(await recording.bytes()) as ReadableStream)
    form.set('file', await bytes.blob(), 'recording')
  }
  return form
}

/** What is asked for, beside the recording itself. */
export function listeningFields(language: string, model: string) {
  const code = codeOf(language)
  const asked = { model_id: model, timestamps_granularity: 'word', diarize: 'true', tag_audio_events: 'false' } as const
  return { ...asked, ...(code !== undefined && { language_code: code }) }
}
