import { grpcCode } from '../../../shared/errors/grpc-code.ts'

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

export function isAbsent(error: unknown): boolean {
  const code = statusOf(error)
  if (code === 404 || code === NOT_FOUND) return true
  return (
    (code === 403 || code === PERMISSION_DENIED) && /SERVICE_DISABLED|is disabled|has not been used/.test(String(error))
  )
}

/** The status of a REST answer, or of a gRPC one. */
function statusOf(error: unknown): number | undefined {
  const { code, status, response } = error as { code?: unknown; status?: unknown; response?: { status?: unknown } }
  const http = [code, status, response?.status].map(Number).find((value) => value >= 400 && value < 600)
  return http ?? grpcCode(error)
}
