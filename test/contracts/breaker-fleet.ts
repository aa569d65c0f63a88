import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'

import type { BreakerSettings } from '../../shared/breaker/settings.ts'
import type { Outcome, Wish } from '../shared/breaker/one-instance.ts'

const INSTANCE = fileURLToPath(new URL('../shared/breaker/one-instance.ts', import.meta.url))
/** Long enough that a loaded machine, on which a process takes seconds to start, meets no end of an open time unasked. */
const SETTINGS: Partial<BreakerSettings> = { recoveryMs: 30_000, cacheTtlMs: 500, rampMs: 0, probeLeaseMs: 4000 }

type Instance = { ask: (wish: Wish) => Promise<Outcome>; kill: () => void; reached: Promise<void> }

/** A fleet of real processes on a real Firestore endpoint; the largest is of `processes`. */
export function breakerFleetContract(
  title: string,
  processes: number,
  start: () => Promise<{ address: string; stop: () => unknown }>,
) {
  describe(`a breaker shared by processes: ${title}`, () => {
    let firestore: Awaited<ReturnType<typeof start>>
    let children: ChildProcess[] = []
    let fleets = 0

    beforeAll(async () => {
      firestore = await start()
    })
    afterAll(async () => {
      await firestore.stop()
    })
    afterEach(() => {
      for (const child of children.splice(0)) child.kill('SIGKILL')
    })

    async function join(name: string, settings: Partial<BreakerSettings> = {}): Promise<Instance> {
      const child = fork(INSTANCE, [name, JSON.stringify({ ...SETTINGS, ...settings })], {
        env: { ...process.env, FIRESTORE_EMULATOR_HOST: firestore.address, METADATA_SERVER_DETECTION: 'none' },
        execArgv: ['--disable-warning=ExperimentalWarning'],
      })
      children.push(child)
      const heard = (matches: (message: unknown) => boolean) =>
        new Promise<unknown>((resolve) => {
          child.on('message', (message) => {
            if (matches(message)) resolve(message)
          })
        })
      const reached = heard((message) => message === 'reached').then(() => undefined)
      await heard((message) => message === 'ready')
      return {
        reached,
        ask(wish) {
          const answer = heard((message) => typeof message === 'object') as Promise<Outcome>
          child.send(wish)
          return answer
        },
        kill: () => child.kill('SIGKILL'),
      }
    }

    const newFleet = async (count: number, settings?: Partial<BreakerSettings>) => {
      const name = `fleet-${++fleets}`
      return { name, instances: await Promise.all(Array.from({ length: count }, () => join(name, settings))) }
    }
    const failing = (calls: number): Wish => ({ calls, fails: true, takesMs: 10 })
    const well = (calls: number, takesMs = 10): Wish => ({ calls, fails: false, takesMs })
    /** A store that is late, as all is on a busy machine, holds up no call: an instance may hear of a trip a look later. */
    const hears = (instance: Instance) =>
      vi.waitFor(async () => expect(await instance.ask(well(1))).toMatchObject({ rejected: 1 }), {
        timeout: 8000,
        interval: 100,
      })
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
    const first = (instances: Instance[]): Instance => {
      if (instances[0] === undefined) throw new Error('an empty fleet')
      return instances[0]
    }

    test(`when the time is up, of ${processes} processes with fifty calls each exactly one call goes through`, async () => {
      const recoveryMs = 10_000
      const { instances } = await newFleet(processes, { recoveryMs })
      expect(await first(instances).ask(failing(5))).toMatchObject({ failed: 5 })
      const recovered = pause(recoveryMs + 100)
      await pause(600)
      await Promise.all(instances.map(hears))
      await recovered
      const outcomes = await Promise.all(instances.map((instance) => instance.ask(well(50, 3000))))
      const sum = (what: keyof Outcome) => outcomes.reduce((total, outcome) => total + outcome[what], 0)
      expect({ reached: sum('reached'), rejected: sum('rejected') }).toEqual({
        reached: 1,
        rejected: processes * 50 - 1,
      })
    })

    test('a trip in one process stops another within the TTL, and one that starts at once', async () => {
      const { name, instances } = await newFleet(2)
      const [a, b] = instances
      expect(await b?.ask(well(1))).toMatchObject({ succeeded: 1 })
      expect(await a?.ask(failing(5))).toMatchObject({ failed: 5 })
      await pause(500)
      if (b !== undefined) await hears(b)
      expect(await b?.ask(well(20))).toEqual({ reached: 0, failed: 0, rejected: 20, succeeded: 0 })
      const cold = await join(name)
      await hears(cold)
      expect(await cold.ask(well(20))).toEqual({ reached: 0, failed: 0, rejected: 20, succeeded: 0 })
    })

    test('a prober that is killed delays the next by its lease', async () => {
      const { instances } = await newFleet(2, { recoveryMs: 3000 })
      const [a, b] = instances
      await b?.ask(failing(5))
      await pause(3100)
      void a?.ask(well(1, 60_000))
      await a?.reached
      a?.kill()
      expect(await b?.ask(well(5))).toMatchObject({ rejected: 5 })
      await pause(4600)
      expect(await b?.ask(well(1))).toMatchObject({ succeeded: 1 })
    })

    test('five processes with one failure each open it for all of them', async () => {
      const { name, instances } = await newFleet(5)
      for (const instance of instances) expect(await instance.ask(failing(1))).toMatchObject({ failed: 1 })
      const cold = await join(name)
      await hears(cold)
      expect(await cold.ask(well(3))).toMatchObject({ rejected: 3 })
    })
  })
}
