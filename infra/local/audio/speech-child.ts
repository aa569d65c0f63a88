/** A child process that speaks one text by eSpeak NG in WebAssembly and ends: it blocks, and keeps what memory it took. */
export type SpeechJob = { args: string[]; output: string }

process.once('message', (job: SpeechJob) => {
  speak(job).then(
    (wav) => process.send?.(wav, () => process.exit(0)),
    () => process.exit(1),
  )
})

async function speak({ args, output }: SpeechJob): Promise<Uint8Array> {
  const { default: createEspeak } = await import('espeak-ng')
  const instance = await createEspeak({ arguments: args, printErr: () => undefined })
  return instance.FS.readFile(output)
}
