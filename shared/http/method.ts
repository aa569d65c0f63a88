import { AppError } from '../errors/app-error.ts'
import type { Wrapper } from './exchange.ts'

export const methodCheck: Wrapper = async ({ row, request }, next) => {
  if (request.method !== row.method)
    throw new AppError('method_not_allowed', { technical: `Use ${row.method}`, headers: { Allow: row.method } })
  return next()
}
