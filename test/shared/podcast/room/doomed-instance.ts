import { ServiceUnavailable } from '../../../../shared/errors/unavailable.ts'
import type { Objects } from '../../../../shared/podcast/storage.ts'
import type { FirestoreAccess } from '../../../../shared/store/firestore.ts'

export type Service = 'firestore' | 'gcs'

/**
 * What happens to one instance: at its `at`th call of a service it does not reach it (`away`, for the calls after that as
 * well), does not hear the answer (`unheard`), sends it twice (`twice`), or dies before or after it.
 */
export type Doom = {
  readonly service: Service
  readonly how: 'away' | 'unheard' | 'twice' | 'diesBefore' | 'diesAfter'
  readonly at: number
}

/** Thrown in place of every call of a process that has died. */
export class Died extends Error {
  override readonly name = 'Died'
}

/** One process that something may happen to between any two calls. */
export class DoomedInstance {
  readonly #calls: Record<Service, number> = { firestore: 0, gcs: 0 }
  #doom: Doom | undefined
  isDead = false

  /** What happens during what it does next. */
  meet(doom: Doom | undefined): void {
    this.#doom = doom
    this.#calls.firestore = 0
    this.#calls.gcs = 0
  }

  firestore(access: FirestoreAccess): FirestoreAccess {
    return { ...access, call: (what, work) => this.#pass('firestore', what, () => access.call(what, work)) }
  }

  objects(objects: Objects): Objects {
    const pass = <T>(what: string, work: () => Promise<T>) => this.#pass('gcs', what, work)
    const list = async function* (prefix: string) {
      for await (const page of objects.list(prefix)) yield await pass('list', async () => page)
    }
    const remove: Objects['remove'] = (object) => pass('remove', () => objects.remove(object))
    return {
      ...objects,
      create: (key, content, type, signal) => pass('create', () => objects.create(key, content, type, signal)),
      stat: (key) => pass('stat', () => objects.stat(key)),
      list,
      remove,
      async removeAll(prefix, kept) {
        let found = 0
        for await (const page of list(prefix))
          for (const object of page.filter(({ key }) => kept?.has(key) !== true)) {
            await remove(object)
            found++
          }
        return found
      },
    }
  }

  async #pass<T>(service: Service, what: string, work: () => Promise<T>): Promise<T> {
    if (this.isDead) throw new Died()
    const count = ++this.#calls[service]
    const doom = this.#doom?.service === service ? this.#doom : undefined
    const isHit = doom?.at === count
    if (doom?.how === 'away' && count >= doom.at) throw new ServiceUnavailable(service, `away (${what})`)
    if (isHit && doom.how === 'diesBefore') this.#die()
    const first = await work()
    if (isHit && doom.how === 'diesAfter') this.#die()
    if (isHit && doom.how === 'unheard') throw new ServiceUnavailable(service, `not heard (${what})`)
    if (isHit && doom.how === 'twice' && service === 'firestore') return work()
    if (this.isDead) throw new Died()
    return first
  }

  #die(): never {
    this.isDead = true
    throw new Died()
  }
}
