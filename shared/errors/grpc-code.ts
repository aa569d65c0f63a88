/** gRPC status codes we tell apart (https://grpc.io/docs/guides/status-codes/). */
export const GRPC = { notFound: 5, alreadyExists: 6, failedPrecondition: 9, aborted: 10 } as const

/** The status with which a Google client's call failed; undefined for any other error. */
export function grpcCode(error: unknown): number | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'number' ? code : undefined
}

/** Whether a write did not land because the document was not as the write expected it. */
export function lostPrecondition(error: unknown): boolean {
  const code = grpcCode(error)
  return code !== undefined && LOST.has(code)
}

const LOST: ReadonlySet<number> = new Set([GRPC.alreadyExists, GRPC.failedPrecondition, GRPC.notFound, GRPC.aborted])
