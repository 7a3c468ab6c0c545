/** One session as a participant keeps it, with what the participant itself wrote down about it. */
export interface KeptSession {
  readonly cookie: string
  readonly user: string
  /** What the authority calls the session here. */
  readonly index: string
  isLive: boolean
  /** It has ended here, and not all that hangs on it. */
  livesBehind?: true
  /** Requests to end it that arrived, by way. */
  readonly heard: string[]
}

/** Name of the cookie of every application here. */
export const appCookie = 'app'

/** The participant's own records: the truth that outcomes are held against. */
export interface Journal {
  open(user: string, index: string): KeptSession
  byCookie(cookies: ReadonlyMap<string, string>): KeptSession | undefined
  byIndex(index: string): KeptSession | undefined
  ofUser(user: string): KeptSession | undefined
}

let serial = 0

export function createJournal(): Journal {
  const sessions: KeptSession[] = []
  return {
    open(user, index) {
      serial += 1
      const session: KeptSession = { cookie: `s${serial}`, user, index, isLive: true, heard: [] }
      sessions.push(session)
      return session
    },
    byCookie: (cookies) => sessions.findLast(({ cookie }) => cookie === cookies.get(appCookie)),
    byIndex: (index) => sessions.findLast((one) => one.index === index),
    ofUser: (user) => sessions.findLast((one) => one.user === user)
  }
}
