import { extractiveNotes } from './extractive-notes.ts'
import type { WordsTask } from './long-texts.ts'
import { prepareHandTranscript } from './prepare-hand-transcript.ts'

/** The process in which long texts are worked on: nobody else waits for them, or goes down with them. */
async function work(task: WordsTask): Promise<object> {
  switch (task.kind) {
    case 'handTranscript':
      return prepareHandTranscript(task.contentType, Buffer.from(task.body))
    case 'extractiveNotes':
      return extractiveNotes(task.transcript, task.givenTitle)
  }
}

process.once('message', (task: WordsTask) => {
  work(task).then(
    (answer) => process.send?.(answer),
    () => process.exit(1),
  )
})
