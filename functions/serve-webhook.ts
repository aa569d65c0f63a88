import * as z from 'zod'

import { acceptWebhook } from '../shared/podcast/webhook.ts'
import { EpisodeId } from '../shared/podcast/inputs.ts'
import { PIPELINE } from '../shared/podcast/pipeline.ts'
import { JOB_PORTS } from '../shared/podcast/ports.ts'
import { providerNamed } from '../shared/providers/providers.ts'
import type { CallingProviderName } from '../shared/providers/providers.ts'
import type { Serve } from '../shared/http/arrival.ts'
import { serve } from './serve.ts'

/** Webhooks are answered only 200, 401 or 500: whatever does not fit here is treated as absent, and so as unauthenticated. */
const WebhookInput = z.looseObject({ episodeId: EpisodeId.optional().catch(undefined) })
const Token = z.string().max(200)

/** Takes the webhooks of a provider; its definition says how the token comes in. It is good for one job alone. */
export function serveWebhook(name: CallingProviderName): Serve {
  const { hook, make } = providerNamed(name)
  const step = PIPELINE.find(({ port }) => port !== undefined && JOB_PORTS.includes(port) && port in make)?.name
  if (hook === undefined || step === undefined) throw new Error(`${name} has no job to call back about`)
  return serve(`hooks-${name}`, ['episodes', 'queue'], {
    input: WebhookInput,
    async handle({ input, header }, dependencies) {
      const token = hook.tokenIn === 'header' ? header(hook.name) : Token.safeParse(input[hook.name]).data
      await acceptWebhook(dependencies, step, { episodeId: input.episodeId, token })
      return { status: 200, json: {} }
    },
  })
}
