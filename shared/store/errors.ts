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

/** What was to be written could not be read again: a defect of ours, and the end of that one write. */
export class UnreadableWrite extends DomainError {
  override readonly name = 'UnreadableWrite'
  override readonly kind = 'defect'

  /** @param what the document, without its contents */
  constructor(what: string, cause: unknown) {
    super({ technical: `What was to be written as ${what} could not be read again`, cause })
  }
}
