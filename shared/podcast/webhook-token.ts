import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * The token that a webhook about one job brings: random, kept with the job, and signed, so that one that we never made
 * is refused without looking at the store. Secrets are replaced without a gap: tokens are made with the first, and
 * taken with any.
 */
export function newWebhookToken(secrets: readonly string[], episodeId: string): string {
  const id = randomBytes(24).toString('base64url')
  const [secret] = secrets
  return secret === undefined ? id : `${id}.${signature(secret, episodeId, id)}`
}

/** Whether one of the secrets signed it for that episode; without secrets any may be ours. */
export function isPlausibleToken(secrets: readonly string[], episodeId: string, token: string): boolean {
  if (secrets.length === 0) return true
  const [id = '', signed = ''] = token.split('.')
  const given = Buffer.from(signed)
  return secrets.some((secret) => {
    const expected = Buffer.from(signature(secret, episodeId, id))
    return given.length === expected.length && timingSafeEqual(given, expected)
  })
}

function signature(secret: string, episodeId: string, id: string): string {
  return createHmac('sha256', secret).update(`${episodeId}.${id}`).digest('base64url')
}
