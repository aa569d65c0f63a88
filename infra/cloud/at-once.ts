/** Works on a list, a few at once, and keeps the order of the results. @throws the first failure, after all have ended */
export async function atOnce<Item, Result>(
  most: number,
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const lane = async () => {
    for (const [i, item] of queue) results[i] = await work(item)
  }
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(most, items.length) }, lane))
  for (const one of lanes) if (one.status === 'rejected') throw one.reason
  return results
}
