import type { WordsTask } from './long-texts.ts'
import { prepareHandTranscript } from './prepare-hand-transcript.ts'
import { workOnTranscript } from './transcript-work.ts'

/** The process in which long texts are worked on: nobody else waits for them, or goes down with them. */
async function work(task: WordsTask): Promise<object> {
  return 'make' in task ? workOnTranscript(task) : prepareHandTranscript(task.contentType, Buffer.from(task.body))
}

process.once('message', (task: WordsTask) => {
  work(task).then(
    (answer) => process.send?.(answer),
    () => process.exit(1),
  )
})
