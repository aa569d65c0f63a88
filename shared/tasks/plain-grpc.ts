/** What a local cloud without TLS takes of Google's gRPC: imported only there, and bundled by this name alone. */
export { grpc } from 'google-gax'
