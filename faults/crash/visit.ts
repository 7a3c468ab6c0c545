import type { NameID } from '@curfew/codecs'

/** By whom a sign-out is asked for. */
export type Way = 'administrator' | 'application' | 'person'

/** One sign-in, as the browser, the applications and whoever ended it know it: only what was answered stands here. */
export interface Visit {
  readonly user: string
  readonly cookies: ReadonlyMap<string, string>
  /** Its name in the admin API, once that was asked. */
  session: `ses_${string}` | undefined
  /** What the assertion said. */
  readonly nameId: NameID
  readonly sessionIndex: string
  /** What the tokens said; absent: that answer did not come. */
  client: { readonly sid: string; readonly accessToken: string } | undefined
  end: 'not-asked' | 'asked' | 'acknowledged'
  way: Way | undefined
  /** The answer to the application that asked says that everybody was signed out. */
  saidSuccess: boolean
}
