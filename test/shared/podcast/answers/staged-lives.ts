import type { ServerResponse } from 'node:http'

import type { WorkDependencies } from '../../../../shared/dependencies/work.ts'
import type { Episode } from '../../../../shared/podcast/episode.ts'
import { PROVIDER_NAMES } from '../../../../shared/providers/providers.ts'
import type { ProviderName } from '../../../../shared/providers/providers.ts'
import { seededRandom } from '../../seeded-random.ts'
import { testConfig } from '../../test-config.ts'
import { CannedProvider } from './canned-provider.ts'
import { EpisodeInMemory } from './episode-in-memory.ts'
import type { Recording } from './episode-in-memory.ts'
import { recordAnswers } from './record-answers.ts'

/** How a request is answered in its provider's place. */
export type Give = (response: ServerResponse) => void

export type Asked = {
  readonly provider: ProviderName
  readonly question: string
  /** How often this was asked before. */
  readonly times: number
  /** Since the life began. */
  readonly elapsedMs: number
}

export type Stage = {
  /** Undefined: the provider answers as usual. */
  readonly answer?: (asked: Asked) => Give | undefined
  readonly options?: Episode['options']
  readonly language?: string
  /** Eleven seconds of speech when absent. */
  readonly recording?: Recording
  readonly settings?: Record<string, string>
  /** Changes what the episode is worked on with. */
  readonly adapt?: (work: WorkDependencies, providers: StagedLives['providers']) => Promise<WorkDependencies>
}

/** A life that has been lived as far as it goes by itself, and what was asked during it. */
export type StagedLife = {
  readonly episode: EpisodeInMemory
  readonly work: WorkDependencies
  /** How often the providers were asked this. */
  readonly asked: (question: RegExp) => number
  /** As it is stored now. */
  readonly read: () => Episode
}

/** Whole lives of an episode by the deployed runner and clients, whose providers answer as a test says. */
export class StagedLives {
  readonly providers: ReadonlyMap<ProviderName, CannedProvider>

  private constructor(providers: ReadonlyMap<ProviderName, CannedProvider>) {
    this.providers = providers
  }

  static async open(): Promise<StagedLives> {
    const providers = new Map<ProviderName, CannedProvider>()
    for (const name of PROVIDER_NAMES) {
      const provider = new CannedProvider(await recordAnswers(name), 0)
      await provider.start()
      providers.set(name, provider)
    }
    return new StagedLives(providers)
  }

  close(): void {
    for (const provider of this.providers.values()) provider.stop()
  }

  async live(stage: Stage): Promise<StagedLife> {
    const { answer, options = {}, language, recording, settings = {}, adapt } = stage
    const counts = new Map<string, number>()
    const config = this.#config(settings)
    const episode = new EpisodeInMemory(config, seededRandom(1))
    const bornAtMs = episode.nowMs
    for (const [name, one] of this.providers) {
      one.forget(undefined)
      one.instead = (question) => {
        const times = counts.get(question) ?? 0
        counts.set(question, times + 1)
        return answer?.({ provider: name, question, times, elapsedMs: episode.nowMs - bornAtMs })
      }
    }
    const loaded = await episode.start({ fallbacks: ['notes', 'voice'], ...options }, language, recording)
    const work = adapt === undefined ? loaded : await adapt(loaded, this.providers)
    await episode.carryOutAll(work)
    const asked = (question: RegExp) =>
      [...counts].reduce((sum, [one, times]) => sum + (question.test(one) ? times : 0), 0)
    const read = () => {
      const stored = episode.read()
      if (stored === undefined) throw new Error('it is gone')
      return stored
    }
    return { episode, work, asked, read }
  }

  #config(settings: Record<string, string>) {
    const origins = [...this.providers].map(([name, { origin }]) => [`${name.toUpperCase()}_BASE_URL`, origin])
    return testConfig({ ...Object.fromEntries(origins), STORAGE_API_ENDPOINT: 'http://127.0.0.1:1', ...settings })
  }
}

/** An answer of JSON. */
export function giveJson(value: unknown, status = 200): Give {
  return (response) =>
    void response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
}

export const giveReset: Give = (response) => void response.socket?.resetAndDestroy()
