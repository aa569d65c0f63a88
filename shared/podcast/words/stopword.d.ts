/** Words that say nothing about a subject, by ISO 639-3 codes of languages. */
declare module 'stopword' {
  const stopWords: Record<string, string[] | ((...args: never[]) => unknown)>
  export default stopWords
}
