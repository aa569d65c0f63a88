import type { HeardAnswer, HeardTask } from './heard.ts'
import { readAnswer } from './heard-answer.ts'
import { providerNamed } from './providers.ts'
import type { ProviderName } from './providers.ts'

/** The process in which a long answer about a recording is read: nobody else waits for it, or goes down with it. */
process.once('message', (task: HeardTask) => {
  answerFrom(process.stdin, task).then(
    (answer) => process.send?.(answer),
    () => process.exit(1),
  )
})

async function answerFrom(stdin: AsyncIterable<Buffer>, { provider, bytesMax }: HeardTask): Promise<HeardAnswer> {
  const read = await providerNamed(provider as ProviderName).readHeard?.()
  if (read === undefined) throw new Error(`${provider} hears nothing`)
  const answer = readAnswer(read, await bytesOf(stdin, bytesMax))
  return 'read' in answer ? { read: passOn(answer.read) } : answer
}

/** All of them in one piece of memory that grows: pieces to be put together would be there twice. */
async function bytesOf(stdin: AsyncIterable<Buffer>, bytesMax: number): Promise<Buffer> {
  const memory = new ArrayBuffer(0, { maxByteLength: bytesMax })
  const bytes = new Uint8Array(memory)
  for await (const chunk of stdin) {
    const at = memory.byteLength
    memory.resize(at + chunk.length)
    bytes.set(chunk, at)
  }
  return Buffer.from(memory)
}

/** Many words are a text to whoever passes them on. */
function passOn(read: object): object {
  if (!('words' in read && 'text' in read)) return read
  const { language, durationSeconds, text, words, ...rest } = read as Record<string, unknown>
  return { ...rest, json: JSON.stringify({ language, durationSeconds, text, words }) }
}
