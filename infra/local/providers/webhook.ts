import type { Faults, Target } from '../faults.ts'
import { wait } from './stand-in.ts'

const ANSWER_TIMEOUT_MS = 10_000

export type Webhook = { url: string; headers: Record<string, string>; body: string }

/**
 * Delivers a webhook, as often as its provider tries: any 2xx or 4xx is the end of it.
 * @returns the last status, or undefined when it was not delivered at all
 */
export async function deliverWebhook(
  target: Target,
  faults: Faults,
  webhook: Webhook,
  { attemptsMax, spacingMs }: { attemptsMax: number; spacingMs: number },
): Promise<number | undefined> {
  const fault = faults.hitWebhook(target)
  if (fault === 'webhook-lost') return undefined
  let status: number | undefined
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (attempt > 0) await wait(spacingMs)
    status = await post(webhook)
    if (status !== undefined && status >= 200 && status < 500 && !(status >= 300 && status < 400)) break
  }
  if (fault === 'webhook-twice') await post(webhook)
  return status
}

async function post({ url, headers, body }: Webhook): Promise<number | undefined> {
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })
    await response.arrayBuffer()
    return response.status
  } catch {
    return undefined
  }
}
