import { fork } from 'node:child_process'

import { Firestore } from '@google-cloud/firestore'

import { Faults } from '../../infra/local/faults.ts'
import { findOfficialFirestore, startOfficialFirestore } from '../../infra/local/firestore/official.ts'
import { firestoreService } from '../../infra/local/firestore/service.ts'
import { start } from '../../shared/engine/transitions/owner.ts'
import type { Episode } from '../../shared/podcast/episode.ts'
import { sweepRules } from '../../shared/dependencies/engine-settings.ts'
import { PIPELINE } from '../../shared/podcast/pipeline.ts'
import { sweepAtMs } from '../../shared/engine/sweep/due.ts'
import { draft } from '../shared/podcast/episode-fixtures.ts'
import { testConfig } from '../shared/test-config.ts'
import { figure, title } from './report.ts'
import type { SweepCost } from './sweep-once.ts'

const EPISODES = Number(process.env['SWEEP_EPISODES'] ?? 200_000)
const DUE = 1000
const DUE_FEW = 300
const SEED_ATTEMPTS_MAX = 10
const SWEEP_TIMEOUT_MS = 120_000

type Server = { address: string; stop: () => Promise<void> | void }

/** What one sweep costs among very many episodes of which few are due. */
export async function benchSweep(): Promise<void> {
  const service = firestoreService(new Faults())
  const embedded = async (): Promise<Server> => {
    await service.start()
    return { address: service.address, stop: () => service.stop() }
  }
  await measure('embedded', embedded)
  const official = await findOfficialFirestore()
  if ('missing' in official) title(`sweep: Google's emulator is not here: ${official.missing}`)
  else await measure("Google's emulator", () => startOfficialFirestore({ heapMiB: 6144 }))
}

async function measure(name: string, begin: () => Promise<Server>): Promise<void> {
  const { address, stop } = await begin()
  try {
    title(`sweep: ${EPISODES} episodes (${name})`)
    const seededAtMs = performance.now()
    await seed(address, EPISODES, ready)
    await seed(address, DUE_FEW, stalled)
    figure('seeding', `${((performance.now() - seededAtMs) / 1000).toFixed(0)} s`)
    const few = await sweepOnce(address)
    await seed(address, DUE, stalled)
    const { checked, requeued, failed, enqueued, reads, writes, tookMs, peakHeapBytes } = await sweepOnce(address)
    const complete = checked === DUE && requeued === DUE && enqueued === DUE && failed === 0
    figure('due, found and given to another attempt', `${requeued} of ${DUE}`, { text: 'all', met: complete })
    figure('documents read', String(reads), { text: `at most ${DUE * 1.05}`, met: reads <= DUE * 1.05 })
    figure('writes', String(writes), { text: `at most ${DUE + 5}`, met: writes <= DUE + 5 })
    figure('time', `${(tookMs / 1000).toFixed(1)} s`)
    const growth = peakHeapBytes / few.peakHeapBytes
    const heap = `${(peakHeapBytes / 1e6).toFixed(0)} MB, ${growth.toFixed(2)} of that with ${DUE_FEW} due`
    figure('heap at its peak', heap, { text: 'at most 1.5', met: growth <= 1.5 })
  } finally {
    await stop()
  }
}

async function seed(address: string, count: number, make: (id: string) => Episode): Promise<void> {
  const [host = '', port = ''] = address.split(':')
  const db = new Firestore({
    projectId: 'demo-test',
    host: `${host}:${port}`,
    ssl: false,
    customHeaders: { Authorization: 'Bearer owner' },
  })
  const writer = db.bulkWriter({ throttling: false })
  writer.onWriteError(({ failedAttempts }) => failedAttempts < SEED_ATTEMPTS_MAX)
  const failures: unknown[] = []
  for (let i = 0; i < count && failures.length === 0; i++) {
    const id = `${make.name}-${i}`
    writer.set(db.doc(`episodes/${id}`), make(id)).catch((error: unknown) => failures.push(error))
    if (i % 500 === 499) await writer.flush()
  }
  await writer.close()
  await db.terminate()
  if (failures.length > 0) throw new Error('seeding failed', { cause: failures[0] })
}

/** Finished, tidied and never due again: what most episodes are. */
function ready(id: string): Episode {
  return { ...draft({}), id, status: 'ready', generation: 1, updatedAtMs: 1, tidiedAtMs: 2 }
}

/** Started ten minutes ago, and its task was lost. */
function stalled(id: string): Episode {
  const { next } = start(PIPELINE, { ...draft({}), id }, {}, Date.now() - 600_000)
  return { ...next, sweepAtMs: sweepAtMs(PIPELINE, next, sweepRules(testConfig())) }
}

function sweepOnce(address: string): Promise<SweepCost> {
  const child = fork(new URL('./sweep-once.ts', import.meta.url), {
    env: { ...process.env, FIRESTORE_EMULATOR_HOST: address, METADATA_SERVER_DETECTION: 'none' },
    execArgv: ['--disable-warning=ExperimentalWarning', '--expose-gc'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), SWEEP_TIMEOUT_MS)
    child.once('message', (cost: SweepCost) => resolve(cost))
    child.once('exit', () => {
      clearTimeout(timer)
      reject(new Error('the sweep ended early'))
    })
  })
}
