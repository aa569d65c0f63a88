/**
 * Who may call a function. `user`: any signed-in person. `admin`: one with the custom claim `role: "admin"`. `tasks`: Cloud Tasks'
 * own service account. `scheduler`: Cloud Scheduler's, or an admin. `provider`: whoever holds the token made for one
 * attempt (checked by the handler, which alone knows the attempt).
 */
export type Caller = 'user' | 'admin' | 'tasks' | 'scheduler' | 'provider' | 'anyone'

/**
 * How a function takes its input. `json`: a JSON body. `query`: the query string, no body. `stream`: the query string,
 * and a body that the handler reads itself. `ignored`: the query string; a body is drained unread.
 */
type InputKind = 'json' | 'query' | 'stream' | 'ignored'

/** What the edge must know of a function; the function table adds what deploying it takes. */
export type EndpointRow = {
  readonly name: string
  readonly method: 'GET' | 'POST'
  /** Answers GET as well, without input: what a POST would change. */
  readonly alsoGet?: true
  readonly caller: Caller
  readonly input: InputKind
  readonly bodyBytesMax: number
  readonly timeoutSeconds: number
  /** What to use, and how to say so, for a body that is larger. */
  readonly largerThan?: { readonly use: string; readonly advice: string }
  /** A request is slow, and very slow, from here on; without it the configured thresholds count. */
  readonly slowSeconds?: { readonly slow: number; readonly verySlow: number }
}
