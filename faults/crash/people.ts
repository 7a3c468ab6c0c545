import type { EndedView, SessionView } from '../../packages/curfew/src/admin/schemas.ts'
import type { Random } from '../../packages/curfew/src/platform/random.ts'
import { nowMs } from '../events.ts'
import type { Applications } from './applications.ts'
import { type Browser, createBrowser, type Places } from './browser.ts'
import type { Authority } from './server.ts'
import type { Visit, Way } from './visit.ts'

/** People who come and go, and what they were told. */
export interface People {
  /** Every visit that was answered, since the beginning. */
  readonly visits: readonly Visit[]
  /** Sign-outs that were answered so far. */
  readonly ends: number
  /** What was not answered, by what came instead. */
  readonly refused: readonly string[]
  /** The longest that anybody waited from one answer to the next, in milliseconds. */
  readonly waitMs: number
  /** Each lane goes on without end. */
  start(): void
  /** Resolves when every lane has its answer, or will not get one. */
  stop(): Promise<void>
  /** Asks once more for every sign-out that was not answered, as whoever waited for it would. */
  askAgain(): Promise<void>
  /** Times that a session was let in after its end was answered. */
  readonly letIn: number
}

export interface PeopleParts {
  readonly authority: Authority
  readonly applications: Applications
  readonly places: Places
  readonly random: Random
  readonly lanes: number
}

/** People of one lane: each has gone before the same comes again. */
export const peoplePerLane = 64
export const password = 'correct horse'
export const userOf = (lane: number, turn: number): string => `u${lane}x${turn % peoplePerLane}`

/** How many visits each lane leaves open, so that a crash finds old ones, too. */
const openPerLane = 4
const ways: readonly Way[] = ['administrator', 'application', 'person']

export function createPeople(parts: PeopleParts): People {
  const { authority, applications, places, random } = parts
  const visits: Visit[] = []
  const refused: string[] = []
  const turns = Array.from({ length: parts.lanes }, () => 0)
  const lastMs = new Map<number, number>()
  let [ends, waitMs, letIn, isRunning] = [0, 0, 0, false]
  let running: Promise<unknown> = Promise.resolve()

  const answered = (lane: number): void => {
    const atMs = nowMs()
    waitMs = Math.max(waitMs, atMs - (lastMs.get(lane) ?? atMs))
    lastMs.set(lane, atMs)
  }

  async function comeIn(lane: number): Promise<void> {
    const turn = turns[lane] ?? 0
    turns[lane] = turn + 1
    const browser = createBrowser(places)
    try {
      const user = userOf(lane, turn)
      const { nameId, sessionIndex } = await browser.signIn(user, password)
      const { cookies } = browser
      const visit: Visit = { user, cookies, session: undefined, nameId, sessionIndex, client: undefined, end: 'not-asked', way: undefined, saidSuccess: false }
      applications.saml.signedIn(sessionIndex)
      visits.push(visit)
      answered(lane)
      visit.client = await browser.connect()
      applications.openId.signedIn(visit.client.sid)
      answered(lane)
    } finally {
      browser.close()
    }
  }

  async function goOut(lane: number, visit: Visit): Promise<void> {
    const way = ways[Math.floor(random.fraction() * ways.length)] ?? 'person'
    const browser = createBrowser(places, new Map(visit.cookies))
    visit.session ??= await sessionOf(authority, visit.user)
    Object.assign(visit, { way, end: 'asked' })
    try {
      await askBy(way, visit, browser)
      visit.end = 'acknowledged'
      ends += 1
      answered(lane)
      if (await isLetIn(visit, places)) letIn += 1
    } finally {
      browser.close()
    }
  }

  async function askBy(way: Way, visit: Visit, browser: Browser): Promise<void> {
    switch (way) {
      case 'administrator':
        await authority.ask<EndedView>('/v1/logout', { user: visit.user })
        return
      case 'application':
        applications.saml.signedOut(visit.sessionIndex)
        visit.saidSuccess = await browser.signOutBySoap(visit)
        return
      case 'person':
        await browser.signOut()
    }
  }

  async function walk(lane: number): Promise<void> {
    while (isRunning) {
      const mine = visits.filter(({ user, end }) => end === 'not-asked' && user.startsWith(`u${lane}x`))
      const [oldest] = mine
      try {
        if (oldest !== undefined && mine.length > openPerLane) await goOut(lane, random.fraction() < 0.5 ? oldest : (mine.at(-1) ?? oldest))
        else await comeIn(lane)
      } catch (error) {
        refused.push(wordOf(error))
      }
    }
  }

  return {
    visits,
    refused,
    get ends() {
      return ends
    },
    get waitMs() {
      return waitMs
    },
    get letIn() {
      return letIn
    },
    start() {
      isRunning = true
      running = Promise.all(turns.map((_, lane) => walk(lane)))
    },
    async stop() {
      isRunning = false
      await running
    },
    async askAgain() {
      for (const visit of visits.filter(({ end }) => end === 'asked')) {
        await authority.ask<EndedView>('/v1/logout', { user: visit.user })
        visit.end = 'acknowledged'
      }
    }
  }
}

/** The session that a person opened last. */
export async function sessionOf(authority: Authority, user: string): Promise<Visit['session']> {
  const { items } = await authority.ask<{ readonly items: readonly SessionView[] }>(`/v1/sessions?user=${user}&limit=50`)
  return items.toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0]?.id
}

/** By the cookie that the browser kept, or by the token that the client kept. */
export async function isLetIn({ cookies, client }: Visit, places: Places): Promise<boolean> {
  const browser = createBrowser(places, new Map(cookies))
  try {
    return (await browser.isKnown()) || (client !== undefined && (await browser.isActive(client.accessToken)))
  } finally {
    browser.close()
  }
}

function wordOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const isLost = 'code' in error || error.message === 'fetch failed'
  return isLost ? 'connection lost' : error.message.slice(0, 100)
}
