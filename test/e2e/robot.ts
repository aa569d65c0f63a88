import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import * as z from 'zod'

const Refusal = z.looseObject({ error: z.looseObject({ code: z.string(), retryable: z.boolean() }) })

/** How one wish of a robot ended, and what it took. */
export type Outcome = { status: number; json: unknown; tries: number; codes: string[] }

const TRIES_MAX = 60
const PAUSE_SECONDS = 0.2

/**
 * A client that knows nothing of Steadycast but two things: send again, with the same Idempotency-Key, exactly when
 * `retryable` says so, and not before `Retry-After`. A connection that ended without an answer is sent again too.
 */
export class Robot {
  readonly #origin: string
  readonly #token: string

  constructor(origin: string, token: string) {
    this.#origin = origin
    this.#token = token
  }

  async post(name: string, body: Record<string, unknown>): Promise<Outcome> {
    const key = randomUUID()
    const codes: string[] = []
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      const response = await this.#send(name, key, body)
      if (response === undefined) {
        codes.push('no answer')
        await sleep(PAUSE_SECONDS * 1000)
        continue
      }
      const text = await response.text()
      const json: unknown = text === '' ? undefined : JSON.parse(text)
      if (response.status < 400) return { status: response.status, json, tries, codes }
      const { error } = Refusal.parse(json)
      codes.push(error.code)
      if (!error.retryable) return { status: response.status, json, tries, codes }
      await sleep(Number(response.headers.get('retry-after') ?? PAUSE_SECONDS) * 1000)
    }
    throw new Error(`${name} did not converge in ${TRIES_MAX} tries: ${codes.join(', ')}`)
  }

  async #send(name: string, key: string, body: unknown): Promise<Response | undefined> {
    try {
      return await fetch(`${this.#origin}/${name}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: {
          Authorization: `Bearer ${this.#token}`,
          'Content-Type': 'application/json',
          'Idempotency-Key': key,
        },
      })
    } catch {
      return undefined
    }
  }
}
