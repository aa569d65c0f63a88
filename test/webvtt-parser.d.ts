/** The W3C's own parser; a script of its own kind, whose names Node sees on its default export only. */
declare module 'webvtt-parser' {
  export class WebVTTParser {
    parse(text: string): {
      cues: { startTime: number; endTime: number; text: string }[]
      errors: { message: string; line: number }[]
    }
  }
  const exported: { WebVTTParser: typeof WebVTTParser }
  export default exported
}
