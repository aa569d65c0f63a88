import { WORLD_EPOCH_MS } from '../virtual-time.ts'
import type { VirtualTime } from '../virtual-time.ts'
import type { BreakerRecord } from '../../../shared/breaker/record.ts'
import type { BreakerStore } from '../../../shared/breaker/store.ts'

/** How one operation on the virtual store goes. `lost`: it happens, but the answer never comes. */
export type StoreWeather = { latencyMs: number; fate: 'well' | 'fails' | 'lost' | 'never' | 'refused' }

/** A store with compare-and-set in virtual time, whose weather the test makes. */
export class VirtualStore implements BreakerStore {
  readonly #time: VirtualTime
  document: { data: unknown; version: number } | undefined
  #versions = 0
  weather: (operation: 'read' | 'write') => StoreWeather = () => ({ latencyMs: 10, fate: 'well' })
  reads = 0
  writes = 0
  lostWrites = 0
  /** Sees every write that lands, with what was there before. */
  onWrite: (before: unknown, after: BreakerRecord) => void = () => undefined

  constructor(time: VirtualTime) {
    this.#time = time
  }

  get nowMs(): number {
    return WORLD_EPOCH_MS + this.#time.nowMs
  }

  readonly read: BreakerStore['read'] = async () => {
    this.reads++
    return this.#operate('read', () => ({
      stored: this.document && { ...this.document },
      serverMs: this.nowMs,
    }))
  }

  readonly write: BreakerStore['write'] = async (_name, record, version) =>
    this.#operate('write', () => {
      if (this.document?.version !== version) {
        this.lostWrites++
        return 'lost'
      }
      this.writes++
      const before = this.document?.data
      this.document = { data: frozenCopy(record), version: ++this.#versions }
      this.onWrite(before, record)
      return { version: this.document.version, serverMs: this.nowMs }
    })

  /** Somebody else's hand on the document. */
  tamper(data: unknown): void {
    this.document = data === undefined ? undefined : { data, version: ++this.#versions }
  }

  async #operate<T>(operation: 'read' | 'write', effect: () => T): Promise<T> {
    const { latencyMs, fate } = this.weather(operation)
    await this.#time.sleep(latencyMs / 2)
    if (fate === 'never') return new Promise<never>(() => undefined)
    if (fate === 'fails') throw new Error('the store is down')
    if (fate === 'refused' && operation === 'write') {
      this.lostWrites++
      return 'lost' as T
    }
    const result = effect()
    if (fate === 'lost') {
      await this.#time.sleep(10_000)
      throw new Error('the answer was lost')
    }
    await this.#time.sleep(latencyMs / 2)
    return result
  }
}

/** What is stored: nobody's later changes reach it, and it can be given out without being copied again. */
function frozenCopy<T>(value: T): T {
  return frozen(structuredClone(value))
}

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}
