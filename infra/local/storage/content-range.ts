/**
 * What a request to a resumable session is about: bytes from `start` on, up to `end` (not included) where that is said,
 * out of `total` where that is known and `all` when its own end is the upload's; or the question how far the upload is.
 */
export type ContentRange =
  | { readonly kind: 'bytes'; readonly start: number; readonly end: number | undefined; readonly total: Total }
  | { readonly kind: 'query'; readonly total: number | undefined }
  | { readonly kind: 'bad' }

/** `all`: what this request brings is the rest. `later`: another request will say. */
type Total = number | 'all' | 'later'

/**
 * Reads `bytes 0-99/*`, `bytes 100-149/150`, `bytes 0-*\/*` (all there is), `bytes *\/150` and `bytes *\/*` (how far are
 * we?); without any, the body is everything (https://docs.cloud.google.com/storage/docs/performing-resumable-uploads).
 */
export function readContentRange(header: string | undefined): ContentRange {
  if (header === undefined) return { kind: 'bytes', start: 0, end: undefined, total: 'all' }
  const [whole, start, last, total = '*'] = /^bytes (?:(\d{1,15})-(\d{1,15}|\*)|\*)\/(\d{1,15}|\*)$/.exec(header) ?? []
  if (whole === undefined) return { kind: 'bad' }
  const known = total === '*' ? undefined : Number(total)
  if (start === undefined) return { kind: 'query', total: known }
  const end = last === '*' ? undefined : Number(last) + 1
  // An end is not before its start, nor after the total.
  if ((end ?? Infinity) <= Number(start) || (end ?? 0) > (known ?? Infinity)) return { kind: 'bad' }
  return { kind: 'bytes', start: Number(start), end, total: known ?? (end === undefined ? 'all' : 'later') }
}
