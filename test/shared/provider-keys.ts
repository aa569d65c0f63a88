import { PROVIDERS } from '../../shared/providers/providers.ts'

/** A key for every provider that there is, which opens nothing. */
export const PROVIDER_KEYS: Readonly<Record<string, string>> = Object.fromEntries(
  PROVIDERS.flatMap(({ name, secrets }) => Object.keys(secrets).map((key) => [key, `${name}-key-0123456789`])),
)
