import { grpcCode } from '../../../shared/errors/grpc-code.ts'

import type { Fields, Found } from '../resource.ts'

const NOT_FOUND = 5
const PERMISSION_DENIED = 7

/**
 * What a look finds, or undefined when there is nothing: also while the API itself is not enabled yet, which a plan for
 * an empty project must get past.
 */
export async function unlessAbsent<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** What Google's clients find under a name: the thing is the first part of their answer. */
export async function readFound(
  name: string,
  look: Promise<readonly [unknown, ...unknown[]]>,
): Promise<Found | undefined> {
  const answer = await unlessAbsent(look)
  return answer && { name, fields: answer[0] as Fields }
}

/**
 * Whether a call failed for something that was made a moment ago and is not known everywhere yet: an API that was just
 * enabled, an account that was just created.
 */
export function isSettling(error: unknown): boolean {
  return isDisabled(error) || /service account \S+ does not exist/i.test(String(error))
}

export function isAbsent(error: unknown): boolean {
  const code = statusOf(error)
  return code === 404 || code === NOT_FOUND || isDisabled(error)
}

function isDisabled(error: unknown): boolean {
  const code = statusOf(error)
  const refused = code === 403 || code === PERMISSION_DENIED
  return refused && /SERVICE_DISABLED|is disabled|has not been used/.test(String(error))
}

/** The status of a REST answer, or of a gRPC one. */
function statusOf(error: unknown): number | undefined {
  const { code, status, response } = error as { code?: unknown; status?: unknown; response?: { status?: unknown } }
  const http = [code, status, response?.status].map(Number).find((value) => value >= 400 && value < 600)
  return http ?? grpcCode(error)
}
