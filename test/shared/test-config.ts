import { loadConfiguration } from '../../shared/dependencies/config.ts'
import type { Configuration } from '../../shared/dependencies/config.ts'
import { PROVIDER_KEYS } from './provider-keys.ts'

/** A configuration that leads nowhere. */
export function testConfig(environment: Record<string, string> = {}): Configuration {
  return loadConfiguration({
    GOOGLE_CLOUD_PROJECT: 'demo-test',
    STORAGE_BUCKET: 'bucket',
    ...PROVIDER_KEYS,
    ...environment,
  })
}
