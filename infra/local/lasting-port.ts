import { createServer } from 'node:net'

/** From 32768 on systems give ports to whoever asks for any; these only go to who asks for them. */
const [FROM, UNTIL] = [15_000, 32_000]
const TRIES_MAX = 20

/** Listens where nobody else gets to while it is down for a while, so that it finds its own port free again. */
export async function onLastingPort(listen: (port: number) => Promise<void>): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = FROM + Math.floor(Math.random() * (UNTIL - FROM))
    try {
      await requireFree(port)
      return await listen(port)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
  return listen(0)
}

/** Asked before a library is, because gRPC's prints a line of its own for each port that it cannot have. */
async function requireFree(port: number): Promise<void> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject)
    probe.listen(port, '127.0.0.1', resolve)
  })
  await new Promise((resolve) => probe.close(resolve))
}
