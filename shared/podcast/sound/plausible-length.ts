/** Whatever it says, a recording of speech has more bits than this in a second; silence can be packed for days into few. */
const BITS_PER_SECOND_MIN = 1_000
/** By what players count otherwise. */
export const LENGTH_SLACK_SECONDS = 60

/** The longest sound that so many bytes can be, in seconds, whatever their head or a provider says of them. */
export function secondsPackedMax(bytes: number): number {
  return (bytes * 8) / BITS_PER_SECOND_MIN + LENGTH_SLACK_SECONDS
}
