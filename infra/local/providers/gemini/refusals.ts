import type { Reply } from '../../http-service.ts'
import { ReplyError } from '../../http-service.ts'

/** Google's names of statuses, and what the API says with them when it says nothing more particular. */
const STATUSES: Readonly<Record<number, readonly [name: string, message: string]>> = {
  400: ['INVALID_ARGUMENT', 'Request contains an invalid argument.'],
  401: ['UNAUTHENTICATED', 'Request had invalid authentication credentials. Expected OAuth 2 access token.'],
  402: ['FAILED_PRECONDITION', 'Billing is not active for this project.'],
  403: ['PERMISSION_DENIED', 'The caller does not have permission.'],
  404: ['NOT_FOUND', 'Requested entity was not found.'],
  409: ['ABORTED', 'The operation was aborted.'],
  429: ['RESOURCE_EXHAUSTED', 'You exceeded your current quota, please check your plan and billing details.'],
  499: ['CANCELLED', 'The operation was cancelled.'],
  500: ['INTERNAL', 'An internal error has occurred. Please retry.'],
  503: ['UNAVAILABLE', 'The model is overloaded. Please try again later.'],
  504: ['DEADLINE_EXCEEDED', 'Deadline expired before operation could complete.'],
}

/** Google's error body; a wait is told in RetryInfo, never in a header. */
export function refuse(
  status: number,
  headers: Record<string, string> = {},
  message?: string,
  details: readonly unknown[] = [],
): Reply {
  const [name, words] = STATUSES[status] ?? ['INTERNAL', 'An internal error has occurred. Please retry.']
  const retryAfter = headers['Retry-After']
  const more = [
    ...details,
    ...(status === 429 ? [QUOTA_FAILURE] : []),
    ...(retryAfter === undefined ? [] : [{ '@type': `${TYPES}RetryInfo`, retryDelay: `${retryAfter}s` }]),
  ]
  const error = { code: status, message: message ?? words, status: name, ...(more.length > 0 && { details: more }) }
  return { status, json: { error } }
}

/** @throws ReplyError always: what is in the request cannot be taken */
export function refuseField(description: string, field?: string): never {
  const violation = { ...(field && { field }), description }
  throw new ReplyError(refuse(400, {}, description, [{ '@type': `${TYPES}BadRequest`, fieldViolations: [violation] }]))
}

/** @throws ReplyError always: what a request means cannot be done */
export function refuseRequest(message?: string): never {
  throw new ReplyError(refuse(400, {}, message))
}

const TYPES = 'type.googleapis.com/google.rpc.'
const QUOTA_FAILURE = {
  '@type': `${TYPES}QuotaFailure`,
  violations: [
    {
      quotaMetric: 'generativelanguage.googleapis.com/generate_content_requests',
      quotaId: 'GenerateRequestsPerMinutePerProjectPerModel',
      quotaValue: '1000',
    },
  ],
}
export const BAD_KEY = [{ '@type': `${TYPES}ErrorInfo`, reason: 'API_KEY_INVALID', domain: 'googleapis.com' }]
