/** From 32768 on systems give ports to whoever asks for any; these only go to who asks for them. */
const [FROM, UNTIL] = [15_000, 32_000]
const TRIES_MAX = 20

/** Listens where nobody else gets to while it is down for a while, so that it finds its own port free again. */
export async function onLastingPort(listen: (port: number) => Promise<void>): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    try {
      return await listen(FROM + Math.floor(Math.random() * (UNTIL - FROM)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
  return listen(0)
}
