import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PeerId } from '../../core/ids.ts'
import type { Peer } from '../../core/peer.ts'
import type { LogoutRun } from '../../core/run.ts'
import type { Session } from '../../core/session.ts'
import type { Engine } from '../../engine/engine.ts'
import type { BrowserInstruction } from '../../engine/sender.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Everywhere } from '../../stores/everywhere.ts'
import type { Store } from '../../stores/store.ts'
import type { LogoutAnswers } from '../logout-answer.ts'
import type { Csrf } from '../pages/csrf.ts'
import type { PageContext } from '../pages/page.ts'

/** What the sign-off pages need of the rest of the authority. */
export interface SignOffDeps {
  readonly store: Store
  /** Sessions of a person in every group. */
  readonly everywhere: Pick<Everywhere, 'byUser'>
  readonly engine: Engine
  readonly clock: Clock
  readonly csrf: Csrf
  readonly answers: LogoutAnswers
  readonly organisation: string
  peer(id: PeerId): Peer | undefined
  /** Language, texts, brand and a fresh nonce for one response. */
  pageContext(request: FastifyRequest): PageContext
  /** The live session of this browser; does not count as activity. */
  currentSession(request: FastifyRequest): Promise<Session | undefined>
  /** Hash of the session cookie of this browser, whatever became of the session. */
  browserToken(request: FastifyRequest): string | undefined
  clearSessionCookies(reply: FastifyReply): void
  /** The user signed in with a password here and can be asked for it again; people of an identity provider can not. */
  hasPassword(session: Session): boolean
  /** Checks the password of the signed-in user again, counting failures as the sign-in page does. */
  reauthenticate(session: Session, password: string): Promise<'ok' | 'failed' | 'locked'>
  /** For how long too many wrong passwords close a name, as the pages tell it. */
  readonly lockedMinutes: number
  /** Where a password is changed; absent: nowhere here. */
  readonly passwordUrl?: string
  /** Accounts elsewhere that are linked to the account of the user. */
  accountLinks(session: Session): Promise<readonly LinkedAccount[]>
  /** False: the user has no such link. */
  unlinkAccount(session: Session, linkId: string): Promise<boolean>
  /** The answer that the participant who started the run gets through this browser, recorded as given; undefined when none is owed, or another request has it. */
  answerStarter(run: LogoutRun): Promise<BrowserInstruction | undefined>
}

/** A link as the page of the sessions shows it. */
export interface LinkedAccount {
  readonly id: string
  readonly providerId: PeerId
  readonly role: 'upstream' | 'application'
  readonly providerUser: string
  readonly linkedAtMs: number
}
