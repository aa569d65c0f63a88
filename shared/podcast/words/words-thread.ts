import { parentPort, workerData } from 'node:worker_threads'

import { extractiveNotes } from './extractive-notes.ts'
import { prepareHandTranscript } from './prepare-hand-transcript.ts'
import type { WordsTask } from './off-thread-words.ts'

/** The thread in which long texts are worked on: nobody else waits for them. */
async function work(task: WordsTask): Promise<unknown> {
  switch (task.kind) {
    case 'handTranscript':
      return prepareHandTranscript(task.contentType, Buffer.from(task.body))
    case 'extractiveNotes':
      return extractiveNotes(task.transcript, task.givenTitle)
  }
}

parentPort?.postMessage(await work(workerData as WordsTask))
