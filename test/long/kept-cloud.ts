import { startLocalCloud } from '../../infra/local/local-cloud.ts'
import { COMPILED_FUNCTIONS } from '../e2e/compile-functions.ts'

/** A local cloud that keeps what it stores in the folder it is given, as a process that can be killed. */
const [keep = ''] = process.argv.slice(2)
const cloud = await startLocalCloud({
  port: 0,
  source: COMPILED_FUNCTIONS,
  latencyFactor: 0.02,
  environment: {},
  keep,
})
const { FIRESTORE_EMULATOR_HOST: firestore, STORAGE_API_ENDPOINT: storage } = cloud.environment
process.stdout.write(`${JSON.stringify({ origin: cloud.origin, firestore, storage })}\n`)
