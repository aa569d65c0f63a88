import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { exportJWK, SignJWT } from 'jose'

export const LOCAL_TASKS_ACCOUNT = 'steadycast-tasks@local.iam.gserviceaccount.com'
export const LOCAL_SCHEDULER_ACCOUNT = 'steadycast-scheduler@local.iam.gserviceaccount.com'

const KEY_ID = 'local-1'
const TOKEN_SECONDS = 3600

/** The local OIDC issuer: tokens of people and of services, each under an issuer of its own, all with its own keys. */
export class Identity {
  readonly userIssuer: string
  readonly serviceIssuer: string
  readonly jwksUrl: string
  readonly #projectId: string
  readonly #privateKey: KeyObject
  readonly #publicKey: KeyObject

  /** @param key signs its tokens: a private RSA key in PEM */
  constructor(gatewayOrigin: string, projectId: string, key = newKey()) {
    this.userIssuer = `${gatewayOrigin}/__local/issuer/users`
    this.serviceIssuer = `${gatewayOrigin}/__local/issuer/services`
    this.jwksUrl = `${gatewayOrigin}/__local/jwks`
    this.#projectId = projectId
    this.#privateKey = createPrivateKey(key)
    this.#publicKey = createPublicKey(key)
  }

  async jwks(): Promise<unknown> {
    return { keys: [{ ...(await exportJWK(this.#publicKey)), kid: KEY_ID, use: 'sig', alg: 'RS256' }] }
  }

  /** An ID token as Firebase Auth makes them. */
  async userToken(user: string, role?: string, seconds = TOKEN_SECONDS, plan?: string): Promise<string> {
    const authTime = Math.floor(Date.now() / 1000)
    const claims = { user_id: user, auth_time: authTime, ...(role && { role }), ...(plan && { plan }) }
    return this.#sign(this.userIssuer, this.#projectId, user, claims, seconds)
  }

  /** An ID token as Google makes them for Cloud Tasks and Cloud Scheduler. */
  async serviceToken(email: string, audience: string, seconds = TOKEN_SECONDS): Promise<string> {
    return this.#sign(this.serviceIssuer, audience, email, { email, email_verified: true }, seconds)
  }

  #sign(
    issuer: string,
    audience: string,
    subject: string,
    claims: Record<string, unknown>,
    seconds: number,
  ): Promise<string> {
    const nowSeconds = Math.floor(Date.now() / 1000)
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: KEY_ID, typ: 'JWT' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt(Math.min(nowSeconds, nowSeconds + seconds - 1))
      .setExpirationTime(nowSeconds + seconds)
      .sign(this.#privateKey)
  }
}

/**
 * Service accounts, all with one key, which signs storage URLs: the file clients are pointed to, and what verifies.
 * @param key a private RSA key in PEM
 */
export function localServiceAccounts(
  projectId: string,
  key = newKey(),
): { json: (id: string) => string; publicKey: KeyObject } {
  const json = (id: string) =>
    JSON.stringify({
      type: 'service_account',
      project_id: projectId,
      private_key_id: KEY_ID,
      private_key: key,
      client_email: `${id}@local.iam.gserviceaccount.com`,
      client_id: '1',
      token_uri: 'http://127.0.0.1:1/token',
    })
  return { json, publicKey: createPublicKey(key) }
}

/** A private RSA key, in PEM. */
export function newKey(): string {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey
}
