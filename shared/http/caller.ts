import { HttpError } from './http-error.ts'
import { DeadlineError, withDeadline } from '../resilience/deadline.ts'
import type { Caller } from './endpoint-row.ts'
import { timePart } from '../telemetry/scope.ts'
import type { EdgeConfig, Exchange, Wrapper } from './exchange.ts'
import type { Identity, TokenVerifier } from './identity.ts'

/**
 * Lets in only whom the function table names. No token or a bad one is 401; a good token of the wrong caller is 403.
 * Runs before any of the body is read. A provider's token is checked by the hooks function itself, which alone knows the attempt.
 */
export const callerCheck: Wrapper = async (exchange, next) => {
  const { caller } = exchange.row
  if (caller === 'anyone' || caller === 'provider') return next()
  const token = readBearerToken(exchange.request.headers.authorization)
  const { tokens, config } = exchange.dependencies
  exchange.identity = await timePart('auth', () => tokens.verify(token, functionUrl(exchange)))
  if (!belongs(caller, exchange.identity, config))
    throw new HttpError('forbidden', { technical: `This function is for ${caller} callers` })
  return next()
}

/**
 * Who a call of a function for anyone is from, when it says so: a bad token is refused there, too.
 * @returns undefined when the token's issuer cannot be asked within `waitMs`
 */
export async function callerWithin(
  waitMs: number,
  authorization: string | undefined,
  tokens: TokenVerifier,
  url: string,
): Promise<Identity | undefined> {
  if (authorization === undefined) return { kind: 'anonymous' }
  const token = readBearerToken(authorization)
  try {
    return await withDeadline('the check of a token', waitMs, tokens.verify(token, url))
  } catch (error) {
    if (error instanceof DeadlineError || (error instanceof HttpError && error.code === 'service_unavailable'))
      return undefined
    throw error
  }
}

function functionUrl({ dependencies, row }: Exchange): string {
  return `${dependencies.config.functionsBaseUrl}/${row.name}`
}

function belongs(caller: Exclude<Caller, 'anyone' | 'provider'>, identity: Identity, config: EdgeConfig): boolean {
  switch (caller) {
    case 'user':
      return identity.kind === 'user'
    case 'admin':
      return identity.kind === 'user' && identity.admin
    case 'tasks':
      return identity.kind === 'service' && identity.email === config.tasksServiceAccount
    case 'scheduler':
      return identity.kind === 'service'
        ? identity.email === config.schedulerServiceAccount
        : identity.kind === 'user' && identity.admin
  }
}

function readBearerToken(header: string | undefined): string {
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]*)$/i.exec(header ?? '')?.[1]
  if (token === undefined)
    throw new HttpError('unauthenticated', {
      technical: 'Authorization must be a bearer token',
      headers: { 'WWW-Authenticate': 'Bearer' },
    })
  return token
}
