import { describe, expect, test } from 'vitest'
import * as z from 'zod'

import { breakerSettings } from '../../shared/breaker/settings.ts'
import { ConfigError, makeConfigLoader } from '../../shared/config.ts'
import { loadConfiguration } from '../../shared/dependencies/config.ts'
import { order, someOf } from '../../shared/environment.ts'
import { PROVIDER_KEYS } from './provider-keys.ts'

const minimal: Record<string, string> = {
  GOOGLE_CLOUD_PROJECT: 'p1',
  STORAGE_BUCKET: 'b1',
  ...PROVIDER_KEYS,
}
const local = {
  FUNCTIONS_BASE_URL: 'http://127.0.0.1:8080',
  STORAGE_API_ENDPOINT: 'http://127.0.0.1:9000',
  USER_TOKEN_ISSUER: 'http://127.0.0.1:8080/users',
  USER_TOKEN_JWKS_URL: 'http://127.0.0.1:8080/jwks',
}

describe('configuration', () => {
  test('has defaults for everything that is not a name or a secret', () => {
    const config = loadConfiguration(minimal)
    expect(config.bodyBytesMax).toBe(104_857_600)
    expect(config.slowRequestMs).toBe(1000)
    expect(config.functionsBaseUrl).toBe('https://us-central1-p1.cloudfunctions.net')
    expect(config.userTokens.issuer).toBe('https://securetoken.google.com/p1')
  })

  test('trims values, so that a secret with a trailing newline is the secret', () => {
    expect(loadConfiguration({ ...minimal, GEMINI_API_KEY: 'g-key\n' }).providers.gemini.apiKey).toBe('g-key')
  })

  test('takes an empty value as absent', () => {
    expect(loadConfiguration({ ...minimal, FUNCTION_REGION: '  ' }).region).toBe('us-central1')
  })

  test('takes decimals', () => {
    expect(loadConfiguration({ ...minimal, SLOW_REQUEST_THRESHOLD_SECONDS: '0.25' }).slowRequestMs).toBe(250)
  })

  test('names every variable at fault and repeats no value', () => {
    const load = () =>
      loadConfiguration({
        ...minimal,
        GEMINI_API_KEY: '',
        MAX_REQUEST_SIZE_BYTES: 'secret-looking',
        GEMINI_BASE_URL: 'nowhere',
      })
    expect(load).toThrow(ConfigError)
    expect(load).toThrow(/GEMINI_API_KEY is not set/)
    expect(load).toThrow(/MAX_REQUEST_SIZE_BYTES/)
    expect(load).toThrow(/GEMINI_BASE_URL/)
    expect(load).not.toThrow(/secret-looking/)
  })

  test('needs only the secrets that the process uses', () => {
    const { GEMINI_API_KEY: _left, ...rest } = minimal
    expect(() => loadConfiguration(rest)).toThrow('GEMINI_API_KEY is not set')
    expect(() => loadConfiguration(rest, ['GEMINI_API_KEY'])).toThrow('GEMINI_API_KEY is not set')
    expect(loadConfiguration(rest, ['AUPHONIC_API_KEY']).providers.gemini.apiKey).toBe('')
  })

  test('is frozen to the bottom', () => {
    const config = loadConfiguration(minimal)
    expect(Object.isFrozen(config) && Object.isFrozen(config.providers.gemini)).toBe(true)
  })

  test('refuses a local issuer on Cloud Run', () => {
    expect(() => loadConfiguration({ ...minimal, ...local, K_SERVICE: 'episodes-create' })).toThrow(
      /USER_TOKEN_ISSUER is a local issuer/,
    )
  })

  test('accepts the local issuer on a developer machine and in the Functions emulator', () => {
    expect(loadConfiguration({ ...minimal, ...local }).userTokens.issuer).toBe(local.USER_TOKEN_ISSUER)
    const emulated = { ...minimal, ...local, K_SERVICE: 'episodes-create', FUNCTIONS_EMULATOR: 'true' }
    expect(loadConfiguration(emulated).userTokens.issuer).toBe(local.USER_TOKEN_ISSUER)
  })

  test('knows that a real provider cannot reach a local cloud, and that a stand-in can', () => {
    const { providers } = loadConfiguration({ ...minimal, ...local, GEMINI_BASE_URL: 'http://127.0.0.1:1' })
    expect(providers.assemblyai).toMatchObject({ canReachStorage: false, canReachWebhooks: false })
    expect(providers.gemini).toMatchObject({ canReachStorage: true, canReachWebhooks: true })
    expect(loadConfiguration(minimal).providers.assemblyai).toMatchObject({
      canReachStorage: true,
      canReachWebhooks: true,
    })
  })

  test('sends hooks to PUBLIC_BASE_URL where one is given', () => {
    const config = loadConfiguration({ ...minimal, ...local, PUBLIC_BASE_URL: 'https://tunnel.example/' })
    expect(config.webhooksBaseUrl).toBe('https://tunnel.example')
    expect(config.providers.assemblyai.canReachWebhooks).toBe(true)
  })

  test("takes a breaker's own variable before its own default, and that before what is set for all", () => {
    const { breakers } = loadConfiguration({
      ...minimal,
      BREAKER_RECOVERY_SECONDS: '1.5',
      BREAKER_FAILURE_THRESHOLD: '7',
      BREAKER_GEMINI_FAILURE_THRESHOLD: ' 3 ',
      BREAKER_GCS_RECOVERY_SECONDS: '9',
    })
    expect(breakers.gemini).toEqual({ failureThreshold: 3, recoveryMs: 1500 })
    expect(breakers.auphonic).toEqual({ failureThreshold: 7, recoveryMs: 1500 })
    expect(breakers.gcs).toEqual({ failureThreshold: 10, recoveryMs: 9000, recoveryMaxMs: 60_000 })
    const byDefault = { failureThreshold: 10, recoveryMs: 30_000, recoveryMaxMs: 60_000 }
    expect(loadConfiguration(minimal).breakers.gcs).toEqual(byDefault)
    expect(breakerSettings(loadConfiguration(minimal).breakers.gemini)).toMatchObject({
      failureThreshold: 5,
      windowMs: 60_000,
      minFailureRate: 0.5,
      recoveryMs: 60_000,
      cacheTtlMs: 2000,
    })
  })

  test('takes variables of the breaker that a port has to itself', () => {
    const { breakers } = loadConfiguration({
      ...minimal,
      BREAKER_ELEVENLABS_FAILURE_THRESHOLD: '4',
      BREAKER_ELEVENLABS_STT_FAILURE_THRESHOLD: '2',
    })
    expect(breakers.elevenlabs).toEqual({ failureThreshold: 4 })
    expect(breakers['elevenlabs-stt']).toEqual({ failureThreshold: 2 })
  })

  test('orders the providers of each port as it is told', () => {
    const { providerOrder } = loadConfiguration(minimal)
    expect(providerOrder).toEqual({
      transcribers: ['assemblyai', 'elevenlabs'],
      writers: ['gemini'],
      speakers: ['elevenlabs'],
      masterings: ['auphonic'],
    })
    expect(loadConfiguration({ ...minimal, TRANSCRIBERS: ' assemblyai ' }).providerOrder.transcribers).toEqual([
      'assemblyai',
    ])
  })

  test.for([
    ['TRANSCRIBERS', 'nobody'],
    ['TRANSCRIBERS', 'gemini'],
    ['WRITERS', 'gemini,gemini'],
    ['SPEAKERS', 'elevenlabs,'],
    ['MASTERINGS', ','],
  ])('refuses %s=%s, naming the variable and what was expected', ([name = '', value = '']) => {
    expect(() => loadConfiguration({ ...minimal, [name]: value })).toThrow(
      new RegExp(`${name}.*expected (some of|each name once)`),
    )
  })

  test('needs no key of a provider that no port goes to', () => {
    const provider = (name: string) => ({
      name,
      settings: { [`${name.toUpperCase()}_BASE_URL`]: z.string().default(`https://${name}.example`) },
      secrets: { [`${name.toUpperCase()}_API_KEY`]: z.string().optional() },
      breaker: { failureThreshold: name === 'first' ? 2 : 3 },
    })
    const parts = {
      providers: [provider('first'), provider('second')],
      orders: { transcribers: order(['first', 'second']).default(['first']) },
      breakers: ['first', 'second'],
      fallbacks: someOf(['less']).default([]),
    }
    const needed = ['FIRST_API_KEY', 'SECOND_API_KEY']
    const place = { GOOGLE_CLOUD_PROJECT: 'p1', STORAGE_BUCKET: 'b1' }
    const load = makeConfigLoader(parts)
    const config = load({ ...place, FIRST_API_KEY: 'k' }, needed)
    expect(config.providers['second']).toMatchObject({ apiKey: '', baseUrl: 'https://second.example' })
    expect(config.breakers).toEqual({ first: { failureThreshold: 2 }, second: { failureThreshold: 3 } })
    const both = { ...place, FIRST_API_KEY: 'k', TRANSCRIBERS: 'second,first' }
    expect(() => load(both, needed)).toThrow('SECOND_API_KEY is not set')
    expect(load({ ...both, SECOND_API_KEY: 'l' }, needed).providerOrder).toEqual({
      transcribers: ['second', 'first'],
    })
  })

  test.for([
    ['BREAKER_FAILURE_THRESHOLD', '0'],
    ['BREAKER_GCS_MIN_FAILURE_RATE', '1.1'],
    ['BREAKER_RECOVERY_SECONDS', 'soon'],
  ])('refuses %s=%s by its name', ([name = '', value = '']) => {
    expect(() => loadConfiguration({ ...minimal, [name]: value })).toThrow(name)
  })
})
