import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { audioOf, clientOf, processed, requestsTo, settled, SPOKEN, startTestCloud, until, uploaded } from './cloud.ts'
import { between, expectUnaided, healingOf } from './healing.ts'

/** Providers that are away for the whole run, and what an episode comes out as. */

let cloud: LocalCloud
let alice: ApiClient
beforeAll(async () => {
  cloud = await startTestCloud({
    environment: { FALLBACK_AFTER_SECONDS: '1', UPGRADE_AFTER_SECONDS: '1', BREAKER_RECOVERY_SECONDS: '2' },
  })
  alice = await clientOf(cloud, 'alice')
})
afterAll(() => cloud.stop())
afterEach(() => cloud.faults.clear())

describe('an episode', () => {
  test('is finished without Gemini, ElevenLabs and Auphonic, and says what it lacks', async () => {
    for (const target of ['gemini', 'elevenlabs', 'auphonic'] as const) await cloud.faults.set(target, { mode: 'down' })
    const { id } = await processed(alice, 'all but one')
    const episode = await settled(alice, id)
    expect(episode).toMatchObject({
      status: 'ready',
      degraded: ['write', 'voice', 'master'],
      steps: {
        transcribe: { state: 'done' },
        write: { state: 'done', degraded: expect.stringContaining('taken from the transcript') as string },
        voice: { state: 'done', degraded: expect.stringContaining('left out') as string },
        master: { state: 'done', degraded: expect.stringContaining('loudness was evened out') as string },
      },
    })
    expect(episode.steps.write).not.toHaveProperty('error')
    expect(episode.outputs?.notes).toMatchObject({
      title: 'all but one',
      description: expect.stringMatching(/country/i) as string,
      chapters: [{ startSeconds: 0, title: expect.stringMatching(/\w/) as string }],
      tags: expect.arrayContaining(['country']) as string[],
    })
    const { format, common } = await audioOf(episode)
    expect(format.duration).toBeCloseTo(11, 0)
    expect(common.title).toBe('all but one')
    await expectUnaided(cloud, id, { waits: between(3, 12) })
  })

  test('goes on from a transcript by hand, at once, while transcription hangs', async () => {
    await cloud.faults.set('assemblyai', { mode: 'blackhole' })
    const { id } = await processed(alice, 'by hand', {})
    await until(alice, id, ({ steps }) => steps.transcribe.state === 'running')
    await alice.giveTranscript(id, SPOKEN, 'text/plain')
    const episode = await settled(alice, id)
    expect(episode).toMatchObject({
      status: 'ready',
      degraded: ['transcribe'],
      steps: { transcribe: { degraded: expect.stringContaining('given by hand') as string } },
    })
    const transcript = (await (await fetch(episode.outputs?.transcriptUrl ?? '')).json()) as Record<string, unknown>
    expect(transcript).toMatchObject({ estimated: true, text: SPOKEN })
    // Whoever hangs finds at the next heartbeat that the step is not its own any more.
    await expectUnaided(cloud, id, { stepsFenced: 1 })
  })

  test('waits for its provider where its owner allows no fallback', async () => {
    await cloud.faults.set('gemini', { mode: 'down' })
    const { id } = await processed(alice, 'patient', { fallbacks: ['voice', 'master'] })
    await until(alice, id, ({ waitingFor }) => waitingFor?.provider === 'gemini')
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect(await alice.get(id)).toMatchObject({ status: 'processing', steps: { write: { state: 'waiting' } } })
    await cloud.faults.clear()
    expect(await settled(alice, id)).toMatchObject({ status: 'ready', degraded: [] })
    await expectUnaided(cloud, id, { waits: between(1, 12) })
  })
})

describe('a transcript by hand', () => {
  const vtt =
    'WEBVTT\n\n00:01.000 --> 00:04.000\n<v Kennedy>Ask not\n\n00:04.000 --> 00:09.500\nwhat your country can do.\n'
  test('with times keeps them, and is taken before processing begins', async () => {
    const draft = await uploaded(alice, 'captioned')
    await alice.giveTranscript(draft.id, vtt, 'text/vtt')
    await alice.act('process', draft.id)
    const episode = await settled(alice, draft.id)
    expect(episode).toMatchObject({ status: 'ready', degraded: ['transcribe'] })
    expect(requestsTo(cloud, 'assemblyai', /./, draft.id)).toBe(0)
    const captions = await (await fetch(episode.outputs?.vttUrl ?? '')).text()
    await expectUnaided(cloud, draft.id)
    expect(captions).toMatch(/00:00:01\.000 --> [^]*Ask not[^]* --> 00:00:09\.500\n/)
  })

  test('that cannot be read is refused with its line, and changes nothing', async () => {
    const draft = await uploaded(alice, 'broken')
    await expect(alice.giveTranscript(draft.id, vtt.replace('-->', '->'), 'text/vtt')).rejects.toMatchObject({
      status: 400,
      envelope: {
        code: 'validation_error',
        message: expect.stringMatching(/^This transcript cannot be read\. ./) as string,
      },
    })
    // A long one is read in a process of its own.
    await expect(
      alice.giveTranscript(draft.id, vtt + 'x\n'.repeat(50_000) + '\n00:01 --> ', 'text/vtt'),
    ).rejects.toMatchObject({
      status: 400,
      envelope: {
        message: expect.stringMatching(/^This transcript cannot be read\. ./) as string,
        details: { issues: [{ path: 'line 50009' }] },
      },
    })
    await alice.giveTranscript(draft.id, vtt + 'and more of it\n'.repeat(5_000), 'text/vtt')
    await expect(alice.giveTranscript(draft.id, 'x', 'application/pdf')).rejects.toMatchObject({ status: 415 })
    await expect(alice.giveTranscript(draft.id, ' \n ', 'text/plain')).rejects.toMatchObject({ status: 400 })
  })

  test('is not taken for a finished episode, nor for somebody else’s', async () => {
    const { id } = await processed(alice, 'finished', {})
    expect(await settled(alice, id)).toMatchObject({ status: 'ready', degraded: [] })
    await expectUnaided(cloud, id)
    await expect(alice.giveTranscript(id, SPOKEN, 'text/plain')).rejects.toMatchObject({ status: 409 })
    const bob = await clientOf(cloud, 'bob')
    await expect(bob.giveTranscript(id, SPOKEN, 'text/plain')).rejects.toMatchObject({ status: 404 })
  })
})

// Last: the breakers that these open are closed again for nobody here.
describe('without its transcriber an episode', () => {
  test('is heard by the second transcriber while the first is away, and lacks nothing', async () => {
    await cloud.faults.set('assemblyai', { mode: 'down' })
    const { id } = await processed(alice, 'second ear', {})
    const episode = await settled(alice, id)
    expect(episode).toMatchObject({
      status: 'ready',
      degraded: [],
      steps: { transcribe: { state: 'done', provider: 'elevenlabs' } },
    })
    expect(requestsTo(cloud, 'elevenlabs', /speech-to-text$/, id)).toBe(1)
    const transcript = (await (await fetch(episode.outputs?.transcriptUrl ?? '')).json()) as { words: object[] }
    expect(transcript.words).toHaveLength(22)
    expect(transcript.words[0]).toMatchObject({ text: 'And', startMs: 330, endMs: 540, speaker: 'A' })
    expect(await healingOf(cloud, id)).toMatchObject({ redeliveries: 0, cures: 0, stepsFenced: 0, attemptsLost: 0 })
  })

  test('waits while nobody hears it, and goes on from a transcript by hand', async () => {
    for (const target of ['assemblyai', 'elevenlabs'] as const) await cloud.faults.set(target, { mode: 'down' })
    const { id } = await processed(alice, 'no ears', {})
    await until(alice, id, ({ waitingFor }) => waitingFor?.provider === 'elevenlabs')
    await alice.giveTranscript(id, SPOKEN, 'text/plain')
    expect(await settled(alice, id)).toMatchObject({
      status: 'ready',
      degraded: ['transcribe'],
      steps: { transcribe: { provider: 'hand' } },
    })
    expect(await healingOf(cloud, id)).toMatchObject({ redeliveries: 0, cures: 0, attemptsLost: 0 })
  })
})
