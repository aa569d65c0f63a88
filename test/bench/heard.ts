import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'

import { isDamaged } from '../../shared/podcast/parse-artefact.ts'
import { makeOfTranscript } from '../../shared/podcast/words/long-texts.ts'
import { longJob, longScribe, LONG_WORDS } from '../shared/podcast/long-answers.ts'
import { accountAt, CALL, makePort, TRANSCRIPTION } from '../shared/providers/provider-fixtures.ts'
import { longestStretch } from '../shared/processor-time.ts'
import { figure } from './report.ts'

const WAIT_MS_MAX = 100
const LANGUAGE = { language: 'en', measuredSeconds: undefined, secondsMax: 1e6 }

/** A day of speech as each provider answers it, to captions: how long anybody else of the instance waits meanwhile. */
export async function benchHeard(): Promise<void> {
  for (const [provider, answer] of [
    ['assemblyai', longJob()],
    ['elevenlabs', longScribe()],
  ] as const) {
    const service = createServer((request, response) => {
      request.resume()
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer)
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => service.once('listening', resolve))
    const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const startedAtMs = performance.now()
    const stretch = await longestStretch(() => makeCaptions(provider, url))
    const tookMs = performance.now() - startedAtMs
    delay.disable()
    service.closeAllConnections()
    service.close()
    const what = `${LONG_WORDS} words heard by ${provider} (${(answer.length / 1e6).toFixed(0)} MB)`
    figure(`${what}, to captions`, `${tookMs.toFixed(0)} ms`)
    const most = `< ${WAIT_MS_MAX} ms`
    figure('  longest wait of others meanwhile', `${(delay.max / 1e6).toFixed(0)} ms, for a processor included`)
    figure('  the same in processor time', `${stretch.ms.toFixed(0)} ms`, { text: most, met: stretch.ms < WAIT_MS_MAX })
  }
}

async function makeCaptions(provider: 'assemblyai' | 'elevenlabs', url: string): Promise<void> {
  const transcriber = await makePort('transcribers', accountAt(provider, url))
  const heard =
    transcriber.kind === 'job' ? await transcriber.read('t1', CALL) : await transcriber.transcribe(TRANSCRIPTION, CALL)
  if (!('json' in heard)) throw new Error('expected a long answer')
  const task = { make: 'heard', text: heard.json, ...LANGUAGE } as const
  const made = await makeOfTranscript(task, 'somebody', CALL.signal)
  if (isDamaged(made) || made.json === undefined) throw new Error('expected a transcript')
  const captions = await makeOfTranscript({ make: 'outputs', text: made.json, introMs: 0 }, 'somebody', CALL.signal)
  if (isDamaged(captions)) throw new Error('expected captions')
}
