import { createHash, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export type SignatureState = 'valid' | 'unsigned' | 'expired' | 'early' | 'mismatch'

/** How far ahead of storage's clock the one may have been that a link begins by. */
const AHEAD_MS_MAX = 15 * 60_000

/**
 * Verifies a V4 signature: method, path, query, signed headers and expiry are what was signed
 * (https://docs.cloud.google.com/storage/docs/authentication/signatures).
 */
export function verifySignedUrl(
  method: string,
  url: URL,
  headers: IncomingHttpHeaders,
  { key, nowMs }: { readonly key: KeyObject; readonly nowMs: number },
): SignatureState {
  const query = url.searchParams
  const signature = query.get('X-Goog-Signature')
  if (signature === null) return 'unsigned'
  const date = query.get('X-Goog-Date') ?? ''
  const signedAtMs = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  const lifeMs = Number(query.get('X-Goog-Expires')) * 1000
  if (!(nowMs <= signedAtMs + lifeMs)) return 'expired'
  if (signedAtMs > nowMs + AHEAD_MS_MAX) return 'early'

  const signedHeaders = (query.get('X-Goog-SignedHeaders') ?? '').split(';')
  const canonicalHeaders = signedHeaders.map((name) => `${name}:${headerValue(name, url, headers)}\n`).join('')
  const canonicalQuery = [...query]
    .filter(([name]) => name !== 'X-Goog-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join('&')
  const payloadHash = String(headers['x-goog-content-sha256'] ?? 'UNSIGNED-PAYLOAD')
  const request = [method, url.pathname, canonicalQuery, canonicalHeaders, signedHeaders.join(';'), payloadHash].join(
    '\n',
  )
  const scope = (query.get('X-Goog-Credential') ?? '').split('/').slice(1).join('/')
  const toSign = ['GOOG4-RSA-SHA256', date, scope, createHash('sha256').update(request).digest('hex')].join('\n')
  return verify('RSA-SHA256', Buffer.from(toSign), key, Buffer.from(signature, 'hex')) ? 'valid' : 'mismatch'
}

/** The client signs the host without its port. */
function headerValue(name: string, url: URL, headers: IncomingHttpHeaders): string {
  return name === 'host'
    ? url.hostname
    : String(headers[name] ?? '')
        .trim()
        .replace(/\s+/g, ' ')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
