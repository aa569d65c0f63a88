import { randomUUID } from 'node:crypto'

import type { Conditions, ObjectSettings } from './objects.ts'

export type Session = {
  bucket: string
  name: string
  settings: ObjectSettings
  conditions: Conditions
  lengthRange: { min: number; max: number } | undefined
  chunks: Buffer[]
  bytes: number
}

export type ChunkResult = { kind: 'incomplete'; bytes: number } | { kind: 'complete'; data: Buffer } | { kind: 'bad' }

/** Resumable uploads in progress. The session id is the only secret: whoever has it may send. */
export class Sessions {
  readonly #open = new Map<string, Session>()

  start(session: Omit<Session, 'chunks' | 'bytes'>): string {
    const id = randomUUID()
    this.#open.set(id, { ...session, chunks: [], bytes: 0 })
    return id
  }

  get(id: string): Session | undefined {
    return this.#open.get(id)
  }

  end(id: string): boolean {
    return this.#open.delete(id)
  }

  /**
   * Takes a chunk, by its Content-Range: `bytes 0-99/*`, `bytes 100-149/150`, `bytes 0-*\/*` (all there is), `bytes *\/150`
   * (how far are we?), or none (all at once). What was already received is not received twice.
   */
  receive(session: Session, contentRange: string | undefined, body: Buffer): ChunkResult {
    const range = /^bytes (?:(\d+)-(\d+|\*)|\*)\/(\d+|\*)$/.exec(contentRange ?? `bytes ${session.bytes}-*/*`)
    if (range === null) return { kind: 'bad' }
    const [, start, end, total] = range
    if (start !== undefined) {
      const known = session.bytes - Number(start)
      if (known < 0) return { kind: 'bad' }
      const fresh = body.subarray(known)
      session.chunks.push(fresh)
      session.bytes += fresh.length
    }
    const whole = total === '*' ? end === '*' : session.bytes >= Number(total)
    return whole && (start !== undefined || total !== '*')
      ? { kind: 'complete', data: Buffer.concat(session.chunks) }
      : { kind: 'incomplete', bytes: session.bytes }
  }
}
