import { createHash, createHmac } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import type { SessionId } from '../../core/ids.ts'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { browserOf } from './browser-session.ts'
import { newSessionCookies, type SessionCookies, tokenHash } from './cookies.ts'
import type { SignOnTransaction } from './transaction.ts'

/**
 * A browser that gets a session just now. It is written before the session is, so that of several sign-ins of one browser
 * in the same moment one opens a session and the others come to it.
 */
export interface Opening {
  readonly sessionId: SessionId
  /** What the cookies are made of, with a secret: every answer of this opening sets the same ones. */
  readonly seed: string
  readonly isPersistent: boolean
  readonly atMs: number
  /** The one-time path that it was sent to, and what waited there: a form that is sent twice goes on with it. */
  readonly sent?: SentForm
}

/** A form of a sign-in that was sent. */
export interface SentForm {
  readonly nonce: string
  readonly transaction: SignOnTransaction
}

export type OpeningDeps = Pick<AuthorityContext, 'store' | 'clock' | 'secrets' | 'ids'>

/** A sign-in so long after another of the same browser is one after the other, and not the same moment. */
export const openingMs = 10_000

/** Longer than {@link openingMs} by what clocks of nodes may differ. */
const keptMs = 60_000

const lookMs = 20
/** So often a session that is being opened is looked for: about 2 s. Then whoever opened it is taken for dead. */
const looksMax = 100
/** So often the opening of a form that was taken a moment ago is looked for: it is written right after that. */
const sentLooksMax = 10
/** More openings one after the other, each over before the next, than any browser makes in {@link openingMs}. */
const stepsMax = 32

/** `mine`: nobody else opens a session in this browser now. Else the session that somebody opens there, and its opening. */
export type Claim = { readonly kind: 'mine' } | { readonly kind: 'theirs'; readonly opening: Opening; readonly session: Session }

/** Claims that this browser gets its session by `opening`; of several at once exactly one is `mine`. */
export async function claimOpening(deps: OpeningDeps, request: FastifyRequest, opening: Opening): Promise<Claim> {
  for (let step = firstStep(deps, request), i = 0; step !== undefined && i < stepsMax; i += 1) {
    if (await write(deps, step, opening)) return { kind: 'mine' }
    const other = await read(deps, step)
    if (other !== undefined && opening.sent !== undefined) await noteSent(deps, step, other, opening.sent)
    const session = other === undefined ? undefined : await openedBy(deps, other)
    if (other !== undefined && session !== undefined) return { kind: 'theirs', opening: other, session }
    step = nextStep(step, other)
  }
  return { kind: 'mine' }
}

/** A form that comes to the opening of another one may itself be sent twice: it stands behind that opening. */
async function noteSent(deps: OpeningDeps, from: string, other: Opening, sent: SentForm): Promise<void> {
  if (other.sent?.nonce === sent.nonce || !isNow(deps, other)) return
  let step = nextStep(from, other)
  for (let i = 0; i < stepsMax && !(await write(deps, step, { ...other, sent })); i += 1) {
    const next = await read(deps, step)
    if (next?.sent?.nonce === sent.nonce) return
    step = nextStep(step, next)
  }
}

/** What waited for a form that this browser sent twice: the first one took it a moment ago. */
export async function sentBefore(deps: OpeningDeps, request: FastifyRequest, nonce: string): Promise<SentForm | undefined> {
  let step = firstStep(deps, request)
  for (let looks = 0, steps = 0; step !== undefined && looks < sentLooksMax && steps < stepsMax; ) {
    const opening = await read(deps, step)
    if (opening === undefined) {
      looks += 1
      await pause(lookMs)
      continue
    }
    if (opening.sent?.nonce === nonce && isNow(deps, opening) && !(await isEnded(deps, opening))) return opening.sent
    steps += 1
    step = nextStep(step, opening)
  }
  return undefined
}

/**
 * The cookies of an opening: the same for everybody who comes to it, and nothing that the store has leads to them.
 * @param group - the letter that cookies of this group begin with
 */
export function cookiesOf(
  { secrets }: Pick<OpeningDeps, 'secrets'>,
  { seed, isPersistent }: Pick<Opening, 'seed' | 'isPersistent'>,
  group: string
): SessionCookies {
  // No persistent cookie has a colon, so nothing that is derived from one is derived here.
  const derived = (use: string, length: number): string =>
    group + createHmac('sha256', secrets.persistent).update(`${use}:${seed}`).digest('base64url').slice(0, length)
  return newSessionCookies({ cookie: () => derived('cookie', 21), persistentCookie: () => derived('persistent', 31) }, isPersistent, secrets.persistent)
}

/** Says of an opening that no session came of it. It stays for its form: that may be sent again. */
export async function giveUp({ store, clock }: OpeningDeps, { seed }: Opening): Promise<void> {
  await store.txCreate(givenUpKey(seed), true, clock.nowMs() + keptMs)
}

/** The session of an opening once it has the cookies of that; undefined: there is none, or it is over. */
async function openedBy(deps: OpeningDeps, opening: Opening): Promise<Session | undefined> {
  const wanted = tokenHash(cookiesOf(deps, opening, deps.ids.group).session)
  for (let look = 0; look < looksMax && isNow(deps, opening); look += 1) {
    const session = await deps.store.getSession(opening.sessionId)
    if (session !== undefined && !isLive(session, deps.clock.nowMs())) return undefined
    if (session?.tokenHash === wanted) return session
    if ((await deps.store.txGet(givenUpKey(opening.seed), deps.clock.nowMs())) !== undefined) return undefined
    await pause(lookMs)
  }
  return undefined
}

/** Somebody signed out since: the form of before signs nobody in again. */
async function isEnded({ store, clock }: OpeningDeps, { sessionId }: Opening): Promise<boolean> {
  const session = await store.getSession(sessionId)
  return session !== undefined && !isLive(session, clock.nowMs())
}

async function write({ store, clock }: OpeningDeps, step: string, opening: Opening): Promise<boolean> {
  return (await store.txCreate(step, opening, clock.nowMs() + keptMs)).value === 'created'
}

async function read({ store, clock }: OpeningDeps, step: string): Promise<Opening | undefined> {
  return (await store.txGet(step, clock.nowMs())) as Opening | undefined
}

function isNow({ clock }: OpeningDeps, { atMs }: Opening): boolean {
  return clock.nowMs() - atMs < openingMs
}

/** Where the openings of this browser are, as it is now: with another session it begins anew. Undefined: nothing names the browser. */
function firstStep(deps: OpeningDeps, request: FastifyRequest): string | undefined {
  const { formHash, tokenHash: shown = '' } = browserOf(deps, request)
  return formHash === undefined ? undefined : keyOf(`${formHash}.${shown}`)
}

/** After an opening that is over, the next one; keys are never used twice. */
function nextStep(step: string, over: Opening | undefined): string {
  return keyOf(`${step}.${over?.seed ?? ''}`)
}

function givenUpKey(seed: string): string {
  return keyOf(`${seed}.given-up`)
}

function keyOf(name: string): string {
  return `opening:${createHash('sha256').update(name).digest('base64url')}`
}
