import { DomainError } from '../errors/domain-error.ts'

/** A page token that no list of ours has given out. */
export class ForeignPageToken extends DomainError {
  override readonly name = 'ForeignPageToken'
  override readonly kind = 'invalid'

  constructor() {
    super({ technical: 'pageToken is not one of ours' })
  }
}

/** An object that is to be read whole is larger than anything we write. */
export class ObjectTooLarge extends DomainError {
  override readonly name = 'ObjectTooLarge'
  override readonly kind = 'defect'

  constructor() {
    super({ technical: 'The object is too large' })
  }
}
