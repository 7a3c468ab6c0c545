import type { Journal } from './journal.ts'
import type { Site } from './web.ts'

/** A provider upstream, of either protocol. */
export interface Upstream extends Site {
  readonly id: string
  readonly journal: Journal
  /** Address of the authority that starts a sign-in there. */
  readonly entry: string
  /** The next sign-in there is of this user. */
  signsIn(user: string): void
}
