import type { Identity } from '../identity.ts'

/** How Cloud Tasks and Cloud Scheduler describe what they call. */
export type HttpTarget = {
  url: string
  httpMethod?: string
  headers?: Record<string, string>
  body?: Uint8Array
  oidcToken?: { serviceAccountEmail?: string; audience?: string } | null
}

export type CallResult = { status: number; retryAfterSeconds: number | undefined }

/** Calls a target once. Status 0: it could not be reached, or did not answer within the deadline. */
export async function callTarget(
  identity: Identity,
  target: HttpTarget,
  headers: Record<string, string>,
  deadlineMs: number,
): Promise<CallResult> {
  const { serviceAccountEmail, audience } = target.oidcToken ?? {}
  const token = serviceAccountEmail && (await identity.serviceToken(serviceAccountEmail, audience ?? target.url))
  try {
    const response = await fetch(target.url, {
      method: target.httpMethod ?? 'POST',
      headers: headersOf(target, { ...headers, ...(token && { Authorization: `Bearer ${token}` }) }),
      redirect: 'manual',
      signal: AbortSignal.timeout(deadlineMs),
      ...(target.body?.length && { body: Buffer.from(target.body) }),
    })
    await response.arrayBuffer()
    const retryAfter = Number(response.headers.get('retry-after') ?? NaN)
    return { status: response.status, retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined }
  } catch {
    return { status: 0, retryAfterSeconds: undefined }
  }
}

/** What the caller adds stands in place of what the target's creator has asked for, in whatever letters. */
function headersOf({ headers = {} }: HttpTarget, added: Record<string, string>): Headers {
  const all = new Headers(headers)
  for (const [name, value] of Object.entries(added)) all.set(name, value)
  return all
}
