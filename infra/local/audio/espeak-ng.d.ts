declare module 'espeak-ng' {
  /** Runs the eSpeak NG command line in WebAssembly; its files can be read afterwards. */
  export default function createEspeak(options: {
    arguments: string[]
    printErr?: (line: string) => void
  }): Promise<{ FS: { writeFile(name: string, data: Uint8Array): void; readFile(name: string): Uint8Array } }>
}
