import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { browserOf } from './browser-session.ts'
import { openingMs } from './opening.ts'
import type { SignOnTransaction } from './transaction.ts'

/**
 * A form that was sent where somebody else was signed in: the sign-in goes on at another path, after a logout. It is
 * remembered for a moment, so that the same form sent again goes on there too.
 */
export interface Replacement {
  /** What waited for the form. */
  readonly transaction: SignOnTransaction
  /** Who proved to be who it is. */
  readonly username: string
  /** The session of somebody else, which ends. */
  readonly former: Pick<Session, 'id'>
  /** Where the sign-in goes on. */
  readonly path: string
}

type ReplacementDeps = Pick<AuthorityContext, 'store' | 'clock' | 'secrets'>

/** @param formHash - of the browser that sent the form; no other finds it */
export async function noteReplacement({ store, clock }: ReplacementDeps, nonce: string, formHash: string, replacement: Replacement): Promise<void> {
  await store.txCreate(keyOf(nonce, formHash), replacement, clock.nowMs() + openingMs)
}

/** What became of a form that this browser sent a moment ago. */
export async function replacementOf(deps: ReplacementDeps, nonce: string, request: FastifyRequest): Promise<Replacement | undefined> {
  const { formHash } = browserOf(deps, request)
  if (formHash === undefined) return undefined
  return (await deps.store.txGet(keyOf(nonce, formHash), deps.clock.nowMs())) as Replacement | undefined
}

function keyOf(nonce: string, formHash: string): string {
  return `replacement:${createHash('sha256').update(`${nonce}.${formHash}`).digest('base64url')}`
}
