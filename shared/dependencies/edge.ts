import { loadConfig } from '../config.ts'
import type { Config } from '../config.ts'
import type { EdgeNeeds } from '../http/exchange.ts'
import type { TokenVerifier } from '../http/identity.ts'
import { firestoreAccess } from '../store/firestore.ts'
import type { FirestoreAccess } from '../store/firestore.ts'
import { idempotencyRecords } from '../store/idempotency.ts'

/** What every function works with: what the edge needs, and the one way to the store. */
export type EdgeDependencies = EdgeNeeds & { config: Config; firestore: FirestoreAccess }

let built: EdgeDependencies | undefined

/**
 * Built once for this instance; a build that fails is tried again at the next call. Nothing heavy happens here or in
 * what is built on it: Google's clients and the verifier's library are imported at their first use.
 */
export function edgeDependencies(): EdgeDependencies {
  if (built !== undefined) return built
  const config = loadConfig(process.env)
  const firestore = firestoreAccess(config)
  const idempotency = idempotencyRecords(firestore, Date.now)
  built = { config, now: Date.now, tokens: lazyVerifier(config), firestore, idempotency }
  return built
}

/** A function that asks nobody who they are does not load what checks tokens. */
function lazyVerifier(config: Config): TokenVerifier {
  let loading: Promise<TokenVerifier> | undefined
  const load = () => (loading ??= import('../http/identity.ts').then(({ tokenVerifier }) => tokenVerifier(config)))
  return {
    preload: (signer) => void load().then((verifier) => verifier.preload(signer)),
    verify: async (token, functionUrl) => (await load()).verify(token, functionUrl),
  }
}
