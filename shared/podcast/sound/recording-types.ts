import { UnsupportedRecordingType } from '../errors.ts'

/** Containers that hold sound, as programs really call them. */
const SOUND =
  'aac aacp ac3 aiff x-aiff amr basic x-caf flac x-flac mp3 mpeg mpeg3 mp4 m4a x-m4a mp4a-latm matroska x-matroska ogg opus vorbis 3gpp 3gpp2 wav wave x-wav x-pn-wav vnd.wave webm x-ms-wma'
const VIDEO = 'mp4 x-m4v mpeg mp2t quicktime webm ogg matroska x-matroska x-msvideo 3gpp 3gpp2 x-ms-asf x-ms-wmv'
const typesOf = (kind: string, subtypes: string) => subtypes.split(' ').map((subtype) => `${kind}/${subtype}`)
const RECORDING_TYPES: ReadonlySet<string> = new Set(typesOf('audio', SOUND)).union(new Set(typesOf('video', VIDEO)))
/** What programs say of a file that they do not know; its first bytes tell what it is when it is read. */
const UNKNOWN = new Set(['application/octet-stream', 'binary/octet-stream', 'application/ogg'])
const TYPE_CHARS_MAX = 255

/**
 * The type under which a recording is stored: one of a list, without parameters. No text of the sender's comes back as
 * the type of an answer. @throws UnsupportedRecordingType
 */
export function recordingType(contentType: string | undefined): string {
  const [type = ''] = (contentType ?? 'application/octet-stream').slice(0, TYPE_CHARS_MAX).split(';', 1)
  const known = type.trim().toLowerCase()
  if (!RECORDING_TYPES.has(known) && !UNKNOWN.has(known)) throw new UnsupportedRecordingType()
  return known
}
