import type { WebhookTarget } from '../podcast/ports.ts'
import type { Account } from './definition.ts'

/** A webhook as a provider is told of it, with the token where it can hand it back. */
export type Webhook = { readonly url: string; readonly header?: { readonly name: string; readonly value: string } }

/** Whether the provider tells us that a job has news: it has a way to, and can reach our webhooks. */
export function callsBack({ hook, config }: Account): boolean {
  return hook !== undefined && config.canReachWebhooks
}

/** Places the token of a webhook where the provider hands it back. @returns undefined when it does not call back */
export function placeToken(account: Account, { url, token }: WebhookTarget): Webhook | undefined {
  const { hook } = account
  if (hook === undefined || !callsBack(account)) return undefined
  if (hook.tokenIn === 'header') return { url, header: { name: hook.name, value: token } }
  const withToken = new URL(url)
  withToken.searchParams.set(hook.name, token)
  return { url: withToken.href }
}
