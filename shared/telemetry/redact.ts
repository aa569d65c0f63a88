const HIDDEN = '[hidden]'

/**
 * JSON Web Tokens, bearer credentials, and values of query parameters and fields that open something. What begins like a
 * token is one only with a dot in it: a pattern that asked for the dot would look for it again from each beginning.
 */
const PATTERNS =
  /eyJ[\w-]{10,}(?:\.[\w-]*){0,2}|\bbearer +[\w.~+/=-]{8,}|([?&](?:token|key|api_?key|signature|x-goog-(?:signature|credential|security-token))=)[^&\s"'\\]+/gi

let secrets: readonly string[] = []

const SECRET_CHARS_MIN = 6

/** Names the secrets of this process; no line of the log ever repeats one. Those too short to be told are left out. */
export function keepSecret(values: readonly string[]): void {
  // As they stand inside a JSON string.
  secrets = values.filter(({ length }) => length >= SECRET_CHARS_MIN).map((value) => JSON.stringify(value).slice(1, -1))
}

/** The text without anything that opens a door. */
export function redact(text: string): string {
  let clean = text.replace(PATTERNS, (match: string, name: string | undefined) =>
    /^eyJ[\w-]*$/i.test(match) ? match : `${name ?? ''}${HIDDEN}`,
  )
  for (const secret of secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, HIDDEN)
  return clean
}
