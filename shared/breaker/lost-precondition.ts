/** ALREADY_EXISTS, FAILED_PRECONDITION, NOT_FOUND and ABORTED (https://grpc.io/docs/guides/status-codes/). */
const LOST_CODES: ReadonlySet<unknown> = new Set([6, 9, 5, 10])

/** Whether a write to Firestore did not land because the document was not as the write expected it. */
export function isLostPrecondition(error: unknown): boolean {
  return error instanceof Error && LOST_CODES.has((error as { code?: unknown }).code)
}
