import { AUTO } from '../../podcast/words/language.ts'
import type { Webhook } from '../webhook.ts'
import { codeOf } from './languages.ts'

type Wanted = {
  readonly audioUrl: string
  /** BCP 47, or `auto`. */
  readonly language: string
  /** In the order in which they are to be tried. */
  readonly models: readonly string[]
  readonly webhook: Webhook | undefined
}

/**
 * What makes a job: the body of `POST /v2/transcript`.
 * @returns undefined for a language that AssemblyAI does not have
 */
export function submissionOf({ audioUrl, language, models, webhook }: Wanted) {
  const code = language === AUTO ? undefined : codeOf(language)
  if (code === undefined && language !== AUTO) return undefined
  return {
    audio_url: audioUrl,
    ...(code === undefined ? { language_detection: true } : { language_code: code }),
    speech_models: [...models],
    speaker_labels: true,
    punctuate: true,
    format_text: true,
    ...(webhook && {
      webhook_url: webhook.url,
      ...(webhook.header && {
        webhook_auth_header_name: webhook.header.name,
        webhook_auth_header_value: webhook.header.value,
      }),
    }),
  }
}
