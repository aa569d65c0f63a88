import { createRemoteJWKSet, decodeJwt, errors, jwtVerify } from 'jose'

import type { Config } from '../config.ts'
import { HttpError } from './http-error.ts'
import { once } from '../resilience/once.ts'

export type Identity =
  | { kind: 'anonymous' }
  | { kind: 'user'; userId: string; admin: boolean; plan?: string }
  | { kind: 'service'; email: string }

export type TokenVerifier = {
  /** Begins to fetch the keys that the tokens of people, or of services, are signed with. */
  preload: (signer: 'user' | 'service') => void
  /** @throws HttpError unauthenticated for any token that is not right in every respect */
  verify: (token: string, functionUrl: string) => Promise<Identity>
}

/** The time that tokens are checked by: the store's, so that a machine whose clock is wrong refuses nobody. */
export type TokenTime = {
  readonly clock: { readonly now: () => number; readonly isFresh: () => boolean }
  /** Looks what time it is, where that is not known. */
  readonly time: () => Promise<number>
}

const MACHINE_TIME: TokenTime = { clock: { now: Date.now, isFresh: () => true }, time: async () => Date.now() }

/** Clocks of issuer and verifier may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 5
const TOKEN_CHARS_MAX = 8192
/** Key fetches are bounded so that an unreachable issuer cannot hold a request. */
const JWKS_TIMEOUT_MS = 3000

/**
 * Verifies OIDC ID tokens of the two issuers we trust: Firebase Auth for people (audience: our project) and Google for
 * Cloud Tasks and Cloud Scheduler (audience: the URL of the very function that is called). Signature, algorithm,
 * issuer, audience and expiry are all checked here, in code; only issuers and keys differ between places.
 */
export function tokenVerifier(config: Config, { clock, time } = MACHINE_TIME): TokenVerifier {
  const userKeys = keySet(config.userTokens.jwksUrl)
  const serviceKeys = keySet(config.serviceTokens.jwksUrl)

  const user = async (token: string): Promise<Identity> => {
    const { payload } = await jwtVerify(token, userKeys(), {
      issuer: config.userTokens.issuer,
      audience: config.projectId,
      algorithms: ['RS256'],
      requiredClaims: ['sub', 'exp', 'iat'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock.now()),
    })
    if (payload.sub === undefined || payload.sub === '' || payload.sub.length > 128)
      throw new errors.JWTClaimValidationFailed('sub is empty or too long', payload, 'sub', 'check_failed')
    const { role, plan } = payload
    return { kind: 'user', userId: payload.sub, admin: role === 'admin', ...(typeof plan === 'string' && { plan }) }
  }

  const service = async (token: string, functionUrl: string): Promise<Identity> => {
    const { payload } = await jwtVerify(token, serviceKeys(), {
      issuer: config.serviceTokens.issuer,
      audience: functionUrl,
      algorithms: ['RS256'],
      requiredClaims: ['email', 'exp', 'iat'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock.now()),
    })
    if (typeof payload['email'] !== 'string' || payload['email_verified'] !== true)
      throw new errors.JWTClaimValidationFailed('email is not verified', payload, 'email', 'check_failed')
    return { kind: 'service', email: payload['email'] }
  }

  const check = (token: string, functionUrl: string): Promise<Identity> => {
    const issuer = decodeJwt(token).iss
    if (issuer === config.userTokens.issuer) return user(token)
    if (issuer === config.serviceTokens.issuer) return service(token, functionUrl)
    throw refuseToken('the token is of no issuer known here')
  }

  const verify = async (token: string, functionUrl: string) => {
    if (token.length > TOKEN_CHARS_MAX) throw refuseToken('the token is too long')
    try {
      return await check(token, functionUrl).catch(async (error: unknown) => {
        if (!isAboutTime(error) || clock.isFresh()) throw error
        await time().catch((cause: unknown) => {
          throw new HttpError('service_unavailable', { technical: 'It cannot be told what time it is', cause })
        })
        return check(token, functionUrl)
      })
    } catch (error) {
      if (error instanceof HttpError) throw error
      if (!(error instanceof errors.JOSEError) || isAboutKeys(error))
        throw new HttpError('service_unavailable', {
          technical: 'The keys of the token issuer are unreachable',
          cause: error,
        })
      throw refuseToken(reason(error), error)
    }
  }
  return {
    verify,
    // The first request that needs the keys sees whether they could be had.
    preload: (signer) =>
      void (signer === 'user' ? userKeys : serviceKeys)()
        .reload()
        .catch(() => undefined),
  }
}

/** Keys published at a URL, looked up once they are needed: making such a set loads Node's whole HTTP client. */
function keySet(url: string) {
  return once(() => createRemoteJWKSet(new URL(url), { timeoutDuration: JWKS_TIMEOUT_MS }))
}

function refuseToken(technical: string, cause?: unknown): HttpError {
  return new HttpError('unauthenticated', {
    technical,
    headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
    ...(cause !== undefined && { cause }),
  })
}

/** Whether another clock might take the token. */
function isAboutTime(error: unknown): boolean {
  if (error instanceof errors.JWTExpired) return true
  return error instanceof errors.JWTClaimValidationFailed && (error.claim === 'nbf' || error.claim === 'iat')
}

/** Whether the keys could not be had, which says nothing about the token. */
function isAboutKeys(error: errors.JOSEError): boolean {
  return error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC'
}

/** Words of our own: jose's messages may repeat parts of the token. */
function reason(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired'
  if (error instanceof errors.JWTClaimValidationFailed) return `the token's claim ${error.claim} is not right`
  return 'the token is not valid'
}
