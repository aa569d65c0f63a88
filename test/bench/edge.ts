import { setTimeout as sleep } from 'node:timers/promises'

import { Faults } from '../../infra/local/faults.ts'
import { firestoreService } from '../../infra/local/firestore/service.ts'
import { startBehindGateway } from '../infra/local/gateway-fixture.ts'
import { fuzzGateway } from '../infra/local/gateway-fuzz.ts'
import { figure, title } from './report.ts'

const CONVERSATIONS = 2_000
const SOAK_CONVERSATIONS = 100_000

/** Seeded bytes to a function itself and through the local gateway: what differs, what is no envelope, what hangs. */
export async function benchEdge(): Promise<void> {
  const count = process.argv.includes('--soak') ? SOAK_CONVERSATIONS : CONVERSATIONS
  const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  title(`edge: ${count} conversations with a function and through the gateway, seed ${seed}`)
  const firestore = await firestoreService(new Faults()).start()
  const environment = { REQUEST_LOG: 'problems', FIRESTORE_EMULATOR_HOST: firestore.address }
  const behind = await startBehindGateway({ environment, output: 'forgotten' })
  try {
    const { findings, answers, compared, repeated } = await fuzzGateway(behind, count, seed)
    for (const { wrong, bytes } of findings.slice(0, 20)) process.stdout.write(`${wrong}\n  ${JSON.stringify(bytes)}\n`)
    figure('answers through the gateway', String(answers))
    figure('conversations compared, of them more than once', `${compared}, ${repeated}`)
    figure('outside the envelope, hanging, or unlike the function', String(findings.length), {
      text: '0',
      met: findings.length === 0,
    })
    // What is under way is answered by then.
    await sleep(100)
    const own = behind.lines.filter(({ status }) => Number(status) >= 500).length
    figure("500s of the gateway's own", String(own), { text: '0', met: own === 0 })
  } finally {
    await behind.stop()
    firestore.stop()
  }
}
