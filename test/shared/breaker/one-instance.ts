import { Firestore } from '@google-cloud/firestore'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import { firestoreBreakerStore } from '../../../shared/breaker/firestore-store.ts'
import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import type { BreakerSettings } from '../../../shared/breaker/settings.ts'

/**
 * One instance of a fleet as a process of its own, on the Firestore that FIRESTORE_EMULATOR_HOST names. Told what to do
 * by messages; answers each with how its calls ended.
 */
export type Wish = { calls: number; fails: boolean; takesMs: number }
export type Outcome = { reached: number; failed: number; rejected: number; succeeded: number }

const [name = '', settings = '{}'] = process.argv.slice(2)
const client = new Firestore({ projectId: 'demo-breaker' })
// Twenty processes that start at once on two cores take longer to connect than a cold instance waits.
await client.collection('breakers').doc(name).get()
const breaker = new CircuitBreaker({
  name,
  store: firestoreBreakerStore((_what, work) => work(client)),
  settings: JSON.parse(settings) as Partial<BreakerSettings>,
})
breaker.warmUp()

process.on('message', (wish: Wish) => {
  void fulfil(wish).then((outcome) => process.send?.(outcome))
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')

async function fulfil({ calls, fails, takesMs }: Wish): Promise<Outcome> {
  const outcome = { reached: 0, failed: 0, rejected: 0, succeeded: 0 }
  const one = async () => {
    try {
      await breaker.execute(async () => {
        outcome.reached++
        process.send?.('reached')
        await new Promise((resolve) => setTimeout(resolve, takesMs))
        if (fails) throw new Error('down')
      })
      outcome.succeeded++
    } catch (error) {
      if (error instanceof BreakerOpenError) outcome.rejected++
      else outcome.failed++
    }
  }
  await Promise.all(Array.from({ length: calls }, one))
  return outcome
}
