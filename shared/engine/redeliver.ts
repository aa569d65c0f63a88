import { DomainError } from '../errors/domain-error.ts'

/** Nothing is wrong with the step, but this delivery of its task cannot carry it out: the next one may. */
export class RedeliverTask extends DomainError {
  override readonly name = 'RedeliverTask'
  override readonly kind = 'defect'

  constructor(technical: string) {
    super({ technical })
  }
}
