/** google.protobuf.Timestamp and Duration as the protos' JSON has them. */
export type ProtoTime = { seconds?: string | number; nanos?: number }

export function toMs({ seconds = 0, nanos = 0 }: ProtoTime): number {
  return Number(seconds) * 1000 + nanos / 1e6
}

export function fromMs(timeMs: number): ProtoTime {
  const seconds = Math.floor(timeMs / 1000)
  return { seconds: String(seconds), nanos: Math.round((timeMs - seconds * 1000) * 1e6) }
}
