import { loadConfig } from '../../shared/config.ts'
import type { Config } from '../../shared/config.ts'

/** A configuration that leads nowhere. */
export function testConfig(environment: Record<string, string> = {}): Config {
  return loadConfig({
    GOOGLE_CLOUD_PROJECT: 'demo-test',
    STORAGE_BUCKET: 'bucket',
    ASSEMBLYAI_API_KEY: 'k',
    GEMINI_API_KEY: 'k',
    ELEVENLABS_API_KEY: 'k',
    AUPHONIC_API_KEY: 'k',
    ...environment,
  })
}
