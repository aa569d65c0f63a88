/** One line that is safe in a tag, a header value and a log: no control or bidi characters, single spaces, NFC. */
export function cleanLine(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/[\p{Cf}\p{Cs}\p{Co}]/gu, '')
    .replace(/\s+/gu, ' ')
    .trim()
}

const FILE_NAME_CHARS_MAX = 60

/** A file name that means the same on every system; empty titles become `episode`. */
export function fileNameOf(title: string, extension: string): string {
  const stem = title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .slice(0, FILE_NAME_CHARS_MAX)
    .replace(/^-+|-+$/g, '')
    .toLowerCase()
  return `${stem || 'episode'}.${extension}`
}
