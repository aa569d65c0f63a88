import type { ErrorEnvelope } from '../../shared/http/envelope.ts'
import type { EpisodeView, HistoryView } from '../../shared/podcast/view.ts'

const UPLOAD_BYTES_MAX = 30 * 1024 * 1024
/** How often a client that was asked to wait does so. */
const WAITS_MAX = 5

/** An answer of 400 or above. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly envelope: ErrorEnvelope['error']
  constructor(status: number, envelope: ErrorEnvelope['error']) {
    super(`${status} ${envelope.code}: ${envelope.message}`)
    this.status = status
    this.envelope = envelope
  }
}

/** What a client of the deployed functions does, over HTTP and nothing else. */
export class ApiClient {
  readonly #base: string
  readonly #token: string

  constructor(functionsBaseUrl: string, token: string) {
    this.#base = functionsBaseUrl
    this.#token = token
  }

  async create(request: { title: string; language?: string; options?: Record<string, unknown> }): Promise<EpisodeView> {
    return (await this.call<{ episode: EpisodeView }>('POST', 'episodes-create', request)).episode
  }

  async get(episodeId: string): Promise<EpisodeView> {
    return (await this.call<{ episode: EpisodeView }>('GET', `episodes-get?episodeId=${episodeId}`)).episode
  }

  /** The latest changes of an episode, oldest first. */
  async history(episodeId: string): Promise<HistoryView[]> {
    return (await this.call<{ history: HistoryView[] }>('GET', `episodes-get?episodeId=${episodeId}&history=1`)).history
  }

  async list(query = ''): Promise<{ episodes: EpisodeView[]; nextPageToken?: string }> {
    return this.call('GET', `episodes-list${query}`)
  }

  async act(action: 'process' | 'retry' | 'cancel', episodeId: string): Promise<EpisodeView> {
    return (await this.call<{ episode: EpisodeView }>('POST', `episodes-${action}`, { episodeId })).episode
  }

  async delete(episodeId: string): Promise<void> {
    await this.call('POST', 'episodes-delete', { episodeId })
  }

  async giveTranscript(episodeId: string, transcript: string, contentType: string): Promise<EpisodeView> {
    const path = `episodes-transcript?episodeId=${episodeId}`
    const response = await this.#send('POST', path, { 'Content-Type': contentType }, transcript)
    return ((await response.json()) as { episode: EpisodeView }).episode
  }

  /** Small recordings through the function, larger ones straight to storage. */
  async upload(episodeId: string, audio: Buffer<ArrayBuffer>, contentType: string): Promise<void> {
    if (audio.length > UPLOAD_BYTES_MAX) return this.uploadDirectly(episodeId, audio, contentType)
    await this.#send(
      'POST',
      `episodes-upload?episodeId=${episodeId}`,
      { 'Content-Type': contentType },
      new Uint8Array(audio),
    )
  }

  async uploadDirectly(episodeId: string, audio: Buffer<ArrayBuffer>, contentType: string): Promise<void> {
    const link = await this.call<{ url: string; method: string; headers: Record<string, string> }>(
      'POST',
      'episodes-upload-url',
      {
        episodeId,
        contentType,
        sizeBytes: audio.length,
      },
    )
    const response = await fetch(link.url, { method: link.method, headers: link.headers, body: new Uint8Array(audio) })
    if (!response.ok) throw new Error(`storage refused the upload: ${response.status} ${await response.text()}`)
  }

  async call<T>(method: string, path: string, json?: unknown): Promise<T> {
    const body = json === undefined ? undefined : JSON.stringify(json)
    const response = await this.#send(
      method,
      path,
      body === undefined ? {} : { 'Content-Type': 'application/json' },
      body,
    )
    return (response.status === 204 ? undefined : await response.json()) as T
  }

  async #send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: RequestInit['body'],
  ): Promise<Response> {
    for (let waits = 0; ; waits++) {
      const response = await fetch(`${this.#base}/${path}`, {
        method,
        headers: { ...headers, Authorization: `Bearer ${this.#token}` },
        ...(body !== undefined && { body }),
      })
      if (response.ok) return response
      const { error } = (await response.json()) as ErrorEnvelope
      if (error.code !== 'rate_limit_exceeded' || waits === WAITS_MAX) throw new ApiError(response.status, error)
      await new Promise((done) => setTimeout(done, Number(response.headers.get('retry-after')) * 1000))
    }
  }
}
