/** gRPC status codes we tell apart (https://grpc.io/docs/guides/status-codes/). */
export const GRPC = { notFound: 5, alreadyExists: 6 } as const

/** The status with which a Google client's call failed; undefined for any other error. */
export function grpcCode(error: unknown): number | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'number' ? code : undefined
}
