import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { seeOther } from '../request.ts'
import type { ArrivalProtocol, WaitingArrival } from './arrival.ts'

/** Where a browser comes back with an answer that was judged before, by protocol. */
export const resumePaths: Readonly<Record<ArrivalProtocol, string>> = {
  saml: '/sp/:nonce/resume/sp/ACS.saml2',
  oidc: '/sp/:nonce/resume/sp/cb.openid',
  opentoken: '/idp/:nonce/resume/idp/arrived'
}

/** The browser comes back at once: it only follows a redirect. */
export const waitingMs = 5 * 60_000

type WaitingDeps = Pick<AuthorityContext, 'store' | 'ids' | 'clock'>

/** Puts a judged answer away and sends the browser to the one-time path behind which it waits. */
export async function keepWaiting(deps: WaitingDeps, protocol: ArrivalProtocol, waiting: WaitingArrival, reply: FastifyReply): Promise<FastifyReply> {
  return seeOther(reply, await putAway(deps, protocol, waiting))
}

/** The one-time path behind which an answer waits. */
export async function putAway(deps: WaitingDeps, protocol: ArrivalProtocol, waiting: WaitingArrival): Promise<string> {
  const nonce = deps.ids.cookie()
  await deps.store.txCreate(waitingKey(nonce), waiting, deps.clock.nowMs() + waitingMs)
  return resumePaths[protocol].replace(':nonce', nonce)
}

/**
 * Takes what waits behind the path of this request; exactly one request gets it. Another browser than the one that asked
 * gets nothing and uses nothing up.
 * @param formHash - hash of the cookie of this browser
 * @throws CURFEW_SESSION_STATE_NOT_FOUND, CURFEW_SESSION_FORM_FOREIGN
 */
export async function takeWaiting(deps: WaitingDeps, request: FastifyRequest, formHash: string | undefined): Promise<WaitingArrival> {
  const { nonce } = request.params as { nonce: string }
  const key = waitingKey(nonce)
  const seen = (await deps.store.txGet(key, deps.clock.nowMs())) as WaitingArrival | undefined
  if (seen?.asker !== undefined && seen.asker.formHash !== formHash) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  const waiting = (await deps.store.txTake(key, deps.clock.nowMs())).value as WaitingArrival | undefined
  if (waiting === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  return waiting
}

function waitingKey(nonce: string): string {
  return `arrival:${nonce}`
}
