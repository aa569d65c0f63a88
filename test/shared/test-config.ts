import { loadConfiguration } from '../../shared/dependencies/config.ts'
import type { Configuration } from '../../shared/dependencies/config.ts'

/** A configuration that leads nowhere. */
export function testConfig(environment: Record<string, string> = {}): Configuration {
  return loadConfiguration({
    GOOGLE_CLOUD_PROJECT: 'demo-test',
    STORAGE_BUCKET: 'bucket',
    ASSEMBLYAI_API_KEY: 'k',
    GEMINI_API_KEY: 'k',
    ELEVENLABS_API_KEY: 'k',
    AUPHONIC_API_KEY: 'k',
    ...environment,
  })
}
