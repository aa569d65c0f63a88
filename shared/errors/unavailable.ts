import { DomainError } from './domain-error.ts'

/** What a person is told while a service is away, in an answer and on a step that waits for it. */
export const UNAVAILABLE_MESSAGE = 'A service we depend on is temporarily unavailable. Please try again shortly.'

/** Services of our own cloud, as waiting episodes name them. */
export type OwnService = 'firestore' | 'gcs' | 'tasks'

/** One of our own services cannot be used just now: it did not answer, or others were faster every time we tried. */
export class ServiceUnavailable extends DomainError {
  override readonly name = 'ServiceUnavailable'
  override readonly kind = 'unavailable'
  readonly service: OwnService

  constructor(service: OwnService, technical: string, cause?: unknown) {
    super({ technical, cause })
    this.service = service
  }
}
