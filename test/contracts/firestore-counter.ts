import { FieldValue, Firestore } from '@google-cloud/firestore'

/** A process of its own that counts in one shared document. */
export type CounterJob = {
  address: string
  project: string
  path: string
  way: 'compareAndSet' | 'increment' | 'transaction'
  concurrency: number
  each: number
}
export type CounterReport = { succeeded: number }

const ATTEMPTS_MAX = 200

process.once('message', (job: CounterJob) => {
  count(job).then(
    (report) => process.send?.(report, () => process.exit(0)),
    () => process.exit(1),
  )
})

async function count({ address, project, path, way, concurrency, each }: CounterJob): Promise<CounterReport> {
  process.env['FIRESTORE_EMULATOR_HOST'] = address
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  const db = new Firestore({ projectId: project })
  const document = db.doc(path)
  const ways = {
    increment: async () => void (await document.update({ n: FieldValue.increment(1) })),
    transaction: async () =>
      db.runTransaction(
        async (transaction) => {
          const { n } = (await transaction.get(document)).data() as { n: number }
          transaction.update(document, { n: n + 1 })
        },
        { maxAttempts: 20 },
      ),
    compareAndSet: async () => {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const snapshot = await document.get()
        const { n } = snapshot.data() as { n: number }
        if (snapshot.updateTime === undefined) throw new Error('no such document')
        const won = await document.update({ n: n + 1 }, { lastUpdateTime: snapshot.updateTime }).then(
          () => true,
          () => false,
        )
        if (won) return
      }
      throw new Error('lost every time')
    },
  }
  let succeeded = 0
  const worker = async () => {
    for (let n = 0; n < each; n++) {
      await ways[way]()
      succeeded++
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return { succeeded }
}
