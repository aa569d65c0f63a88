import type { Usage } from './usage.ts'

/** Where people's usage is kept; implemented in shared/store. It changes with the episodes that it is about. */
export type UsageStore = {
  read(userId: string): Promise<Usage>
}
