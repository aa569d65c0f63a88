import { afterAll, beforeAll } from 'vitest'

import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { PIPELINE } from '../../../shared/podcast/pipeline.ts'
import { episodeStore } from '../../../shared/store/episodes.ts'
import type { FirestoreAccess } from '../../../shared/store/firestore.ts'
import { taskQueueContract } from '../../contracts/task-queue.ts'
import type { Delivered } from '../../contracts/task-queue.ts'
import { workflowStoreContract } from '../../contracts/workflow-store.ts'
import { MemoryTasks } from '../engine/memory-queue.ts'
import { MemoryWorkflows } from '../engine/memory-store.ts'
import { draft } from '../podcast/episode-fixtures.ts'
import { startStore } from '../store-fixture.ts'
import { testConfig } from '../test-config.ts'
import { settle, VirtualTime } from '../virtual-time.ts'

/** The engine's ports in memory, and as the product has them, held to the same contracts. */
const RULES = sweepRules(testConfig())

let firestore: Awaited<ReturnType<typeof startStore>>
beforeAll(async () => (firestore = await startStore()))
afterAll(() => firestore.stop())

workflowStoreContract('in memory', async () => {
  const workflows = new MemoryWorkflows<Episode>(PIPELINE, RULES)
  let losing = false
  const open = () =>
    workflows.open({
      nowMs: Date.now,
      pace: { clock: { after: (_ms, run) => (queueMicrotask(run), () => undefined) }, random: Math.random },
      passing: () => Promise.resolve(),
      losesAnswer: () => losing && !(losing = false),
    })
  return {
    stores: [open(), open(), open()],
    create: async (id, more) => workflows.create({ ...draft(), id, ...more }),
    read: async (id) => workflows.read(id),
    loseNextAnswer: () => (losing = true),
    nowMs: Date.now,
  }
})

workflowStoreContract('Firestore', async () => {
  let losing = false
  const repeating: FirestoreAccess = {
    ...firestore.access,
    async call(what, work) {
      const answer = await firestore.access.call(what, work)
      // What the client does after UNAVAILABLE: the same commit again, which its own success now refuses.
      if (!losing || what !== 'update episode') return answer
      losing = false
      return firestore.access.call(what, work)
    },
  }
  const stores = [repeating, firestore.access, firestore.access].map((access) => episodeStore(access, RULES, Date.now))
  return {
    stores,
    create: async (id, more) => void (await stores[0]?.create({ ...draft(), id, ...more })),
    read: async (id) => stores[0]?.read(id),
    loseNextAnswer: () => (losing = true),
    nowMs: Date.now,
  }
})

taskQueueContract('in memory', async () => {
  const time = new VirtualTime()
  const tasks = new MemoryTasks(() => time.nowMs)
  const delivered: (Delivered & { workflowId: string })[] = []
  const unanswered: string[] = []
  let holds = false
  tasks.onAdded = (name, waiting) =>
    void time.at(waiting.dueMs, () => {
      const { workflowId, task } = waiting
      delivered.push({ workflowId, task, atMs: time.nowMs })
      tasks.begin(waiting)
      if (holds) unanswered.push(name)
      else tasks.end(name)
    })
  return {
    holdAnswers() {
      holds = true
      return () => {
        holds = false
        for (const name of unanswered.splice(0)) tasks.end(name)
      }
    },
    queue: tasks.open(() => Promise.resolve()),
    delivered: (id) => delivered.filter(({ workflowId }) => workflowId === id),
    pass: async (ms) => {
      await settle()
      await time.run(time.nowMs + ms)
    },
    nowMs: () => time.nowMs,
  }
})
