import { fileURLToPath } from 'node:url'

import { buildDist } from '../../infra/build/build.ts'
import { LOCAL_REGION } from '../../infra/local/local-cloud.ts'

/** The functions as they are deployed, compiled once for a run: an instance of them starts in half the time. */
export const COMPILED_FUNCTIONS = fileURLToPath(new URL('../../.steadycast/test-functions/', import.meta.url))

/** Before the first end-to-end test. */
export default function compileFunctions(): Promise<void> {
  return buildDist(LOCAL_REGION, COMPILED_FUNCTIONS)
}
