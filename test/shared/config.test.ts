import { describe, expect, test } from 'vitest'

import { ConfigError, loadConfig } from '../../shared/config.ts'

const minimal = {
  GOOGLE_CLOUD_PROJECT: 'p1',
  STORAGE_BUCKET: 'b1',
  ASSEMBLYAI_API_KEY: 'a-key',
  GEMINI_API_KEY: 'g-key',
  ELEVENLABS_API_KEY: 'e-key',
  AUPHONIC_API_KEY: 'u-key',
}
const local = {
  FUNCTIONS_BASE_URL: 'http://127.0.0.1:8080',
  STORAGE_API_ENDPOINT: 'http://127.0.0.1:9000',
  USER_TOKEN_ISSUER: 'http://127.0.0.1:8080/users',
  USER_TOKEN_JWKS_URL: 'http://127.0.0.1:8080/jwks',
}

describe('configuration', () => {
  test('has defaults for everything that is not a name or a secret', () => {
    const config = loadConfig(minimal)
    expect(config.bodyBytesMax).toBe(104_857_600)
    expect(config.slowRequestMs).toBe(1000)
    expect(config.functionsBaseUrl).toBe('https://us-central1-p1.cloudfunctions.net')
    expect(config.userTokens.issuer).toBe('https://securetoken.google.com/p1')
  })

  test('trims values, so that a secret with a trailing newline is the secret', () => {
    expect(loadConfig({ ...minimal, GEMINI_API_KEY: 'g-key\n' }).providers.gemini.apiKey).toBe('g-key')
  })

  test('takes an empty value as absent', () => {
    expect(loadConfig({ ...minimal, FUNCTION_REGION: '  ' }).region).toBe('us-central1')
  })

  test('takes decimals', () => {
    expect(loadConfig({ ...minimal, SLOW_REQUEST_THRESHOLD_SECONDS: '0.25' }).slowRequestMs).toBe(250)
  })

  test('names every variable at fault and repeats no value', () => {
    const load = () =>
      loadConfig({
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

  test('is frozen to the bottom', () => {
    const config = loadConfig(minimal)
    expect(Object.isFrozen(config) && Object.isFrozen(config.providers.gemini)).toBe(true)
  })

  test('refuses a local issuer on Cloud Run', () => {
    expect(() => loadConfig({ ...minimal, ...local, K_SERVICE: 'episodes-create' })).toThrow(
      /USER_TOKEN_ISSUER is a local issuer/,
    )
  })

  test('accepts the local issuer on a developer machine and in the Functions emulator', () => {
    expect(loadConfig({ ...minimal, ...local }).userTokens.issuer).toBe(local.USER_TOKEN_ISSUER)
    const emulated = { ...minimal, ...local, K_SERVICE: 'episodes-create', FUNCTIONS_EMULATOR: 'true' }
    expect(loadConfig(emulated).userTokens.issuer).toBe(local.USER_TOKEN_ISSUER)
  })

  test('knows that a real provider cannot reach a local cloud, and that a stand-in can', () => {
    const { providers } = loadConfig({ ...minimal, ...local, GEMINI_BASE_URL: 'http://127.0.0.1:1' })
    expect(providers.assemblyai).toMatchObject({ canReachStorage: false, canReachHooks: false })
    expect(providers.gemini).toMatchObject({ canReachStorage: true, canReachHooks: true })
    expect(loadConfig(minimal).providers.assemblyai).toMatchObject({ canReachStorage: true, canReachHooks: true })
  })

  test('sends hooks to PUBLIC_BASE_URL where one is given', () => {
    const config = loadConfig({ ...minimal, ...local, PUBLIC_BASE_URL: 'https://tunnel.example/' })
    expect(config.hooksBaseUrl).toBe('https://tunnel.example')
    expect(config.providers.assemblyai.canReachHooks).toBe(true)
  })
})
