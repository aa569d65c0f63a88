/** What this thread has of a processor while it works, in ms: the same on a machine that has other work as well. */
export async function processorMs(work: () => unknown): Promise<number> {
  const before = process.threadCpuUsage()
  await work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1000
}

/**
 * Does something, and measures the longest that this thread was busy at one go, in ms of processor time: so long would
 * anybody else have waited for a turn.
 */
export async function longestStretch<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  let [longestMs, isOver] = [0, false]
  let before = process.threadCpuUsage()
  const look = () => {
    const { user, system } = process.threadCpuUsage(before)
    longestMs = Math.max(longestMs, (user + system) / 1000)
    before = process.threadCpuUsage()
    if (!isOver) setTimeout(look, 1)
  }
  setTimeout(look, 1)
  try {
    const result = await work()
    await new Promise((resolve) => setTimeout(resolve, 5))
    return { result, ms: longestMs }
  } finally {
    isOver = true
  }
}
