import { createHmac, generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { exportJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { HttpError } from '../../../shared/http/http-error.ts'
import { tokenVerifier } from '../../../shared/http/identity.ts'
import type { TokenVerifier } from '../../../shared/http/identity.ts'
import { testConfig } from '../test-config.ts'

const PROJECT = 'demo-test'
const URL_CALLED = 'https://functions.test/work-write'
const [PEOPLE, SERVICES] = ['https://people.test', 'https://services.test']
const HOUR_SECONDS = 3_600

const ours = generateKeyPairSync('rsa', { modulusLength: 2048 })
const theirs = generateKeyPairSync('rsa', { modulusLength: 2048 })
let keys: Server
let verifier: TokenVerifier

beforeAll(async () => {
  const jwk = { ...(await exportJWK(ours.publicKey)), kid: 'k1', use: 'sig', alg: 'RS256' }
  keys = createServer((_request, response) => void response.end(JSON.stringify({ keys: [jwk] })))
  keys.listen(0, '127.0.0.1')
  await new Promise((resolve) => keys.once('listening', resolve))
  verifier = verifierOf(`http://127.0.0.1:${(keys.address() as AddressInfo).port}`)
})
afterAll(() => new Promise((resolve) => keys.close(resolve)))

function verifierOf(jwksUrl: string): TokenVerifier {
  const config = testConfig()
  return tokenVerifier({
    ...config,
    userTokens: { issuer: PEOPLE, jwksUrl },
    serviceTokens: { issuer: SERVICES, jwksUrl },
  })
}

const nowSeconds = () => Math.floor(Date.now() / 1000)
const lifetime = () => ({ iat: nowSeconds(), exp: nowSeconds() + HOUR_SECONDS })
const person = () => ({ iss: PEOPLE, aud: PROJECT, sub: 'alice', ...lifetime() })
const service = () => ({ iss: SERVICES, aud: URL_CALLED, email: 'tasks@x.test', email_verified: true, ...lifetime() })

/** A token with these claims; a claim that is undefined is left out. */
function sign(claims: Record<string, unknown>, key = ours.privateKey, kid = 'k1'): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid }).sign(key)
}

/** A token whose header says anything, signed with anything. */
function forge(header: object, claims: object, secret?: string): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const signed = `${encode(header)}.${encode(claims)}`
  return `${signed}.${secret === undefined ? '' : createHmac('sha256', secret).update(signed).digest('base64url')}`
}

const verify = (token: string) => verifier.verify(token, URL_CALLED)

describe('a token that is right', () => {
  test('of a person says who it is, their plan, and whether they are an admin', async () => {
    expect(await verify(await sign(person()))).toEqual({ kind: 'user', userId: 'alice', admin: false })
    const claims = { ...person(), role: 'admin', plan: 'starter' }
    expect(await verify(await sign(claims))).toEqual({ kind: 'user', userId: 'alice', admin: true, plan: 'starter' })
  })

  test.each([['Admin'], [['admin']], [true], [{ admin: true }]])('of the role %j is no admin', async (role) => {
    expect(await verify(await sign({ ...person(), role }))).toMatchObject({ admin: false })
  })

  test('of a service says its account', async () => {
    expect(await verify(await sign(service()))).toEqual({ kind: 'service', email: 'tasks@x.test' })
  })
})

describe('a token is refused', () => {
  test.each<[string, object]>([
    ['whose email nobody has verified', { email_verified: false }],
    ['that does not say whether its email is verified', { email_verified: undefined }],
    ['that says so in words', { email_verified: 'true' }],
    ['without an email', { email: undefined }],
    ['whose email is no text', { email: ['tasks@x.test'] }],
    ['for another function', { aud: 'https://functions.test/work-voice' }],
    ['for our project, as those of people are', { aud: PROJECT }],
    ['without an audience', { aud: undefined }],
    ['that has expired', { exp: nowSeconds() - 60 }],
    ['that never expires', { exp: undefined }],
    ['that does not say since when it is one', { iat: undefined }],
    ['of an issuer nobody knows', { iss: 'https://others.test' }],
  ])('of a service: %s', async (_what, more) => {
    await expect(verify(await sign({ ...service(), ...more }))).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test.each<[string, object]>([
    ['of nobody', { sub: undefined }],
    ['of an empty name', { sub: '' }],
    ['of a name without end', { sub: 'x'.repeat(129) }],
    ['for another project', { aud: 'demo-other' }],
    ['for one function, as those of services are', { aud: URL_CALLED }],
    ['that has expired', { exp: nowSeconds() - 60 }],
    ['that is not valid yet', { nbf: nowSeconds() + HOUR_SECONDS }],
  ])('of a person: %s', async (_what, more) => {
    await expect(verify(await sign({ ...person(), ...more }))).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('that somebody else signed, in whatever way', async () => {
    const publicPem = ours.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const forged = [
      await sign(person(), theirs.privateKey),
      await sign(person(), ours.privateKey, 'k2'),
      forge({ alg: 'none' }, person()),
      forge({ alg: 'HS256', kid: 'k1' }, person(), publicPem),
      `${await sign(person())}x`.replace(/\.([^.]+)\./, '.e30.'),
      'not.a.token',
      `${'x'.repeat(9_000)}.y.z`,
    ]
    for (const token of forged) await expect(verify(token)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('in words that repeat nothing of it', async () => {
    const refused = await verify(await sign({ ...service(), email: 'hush@x.test', email_verified: false })).catch(
      (error: unknown) => error,
    )
    if (!(refused instanceof HttpError)) throw new Error('it was let in', { cause: refused })
    const { message, technical, details, headers } = refused
    expect(JSON.stringify({ message, technical, details, headers })).not.toContain('hush')
  })
})

test('a token that cannot be checked, because its issuer is away, is nobody’s fault and can be sent again', async () => {
  const away = verifierOf('http://127.0.0.1:1')
  await expect(away.verify(await sign(person()), URL_CALLED)).rejects.toMatchObject({
    code: 'service_unavailable',
    retryable: true,
  })
})
