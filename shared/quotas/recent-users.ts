const USERS_MAX = 2_000

/** What an instance knows of the people who came last; whoever came longest ago is forgotten first. */
export class RecentUsers<Known> {
  readonly #users = new Map<string, Known>()

  /** What is known of a person, who has come just now; `makeFresh`: what is to be known of somebody new. */
  recall(userId: string, makeFresh: () => Known): Known {
    const known = this.#users.get(userId) ?? makeFresh()
    this.#users.delete(userId)
    this.#users.set(userId, known)
    if (this.#users.size > USERS_MAX) this.#users.delete(this.#users.keys().next().value ?? '')
    return known
  }
}
