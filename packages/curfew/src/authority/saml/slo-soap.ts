import { decodeSoap, encodeSoap, isCurfewError, type Received, type Status, signMessage, status, statusUri } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RunId } from '../../core/ids.ts'
import { starterAnswer } from '../../core/verdict.ts'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'
import type { SamlPartner } from './connection.ts'
import { type LogoutDoor, roleDoor } from './logout-door.ts'
import { logoutResponseParts } from './logout-message.ts'
import { acceptLogoutRequest, startLogout, starterStatus } from './logout-request.ts'
import { partnerOf } from './partner.ts'
import type { SamlRole } from './settings.ts'
import { noteRefusal, sendSoapFault } from './soap-refusal.ts'

/**
 * `/idp/SLO.ssaml2` and `/sp/SLO.ssaml2`: a LogoutRequest by SOAP, answered in the same exchange. Other participants are told meanwhile;
 * who needs a browser can't be, and the answer says so. A body that is no SAML message of a known partner gets a
 * fault; every other refusal is a signed status.
 * @see saml-bindings-2.0-os section 3.2
 */
export async function receiveSoapLogout(ctx: AuthorityContext, own: SamlRole, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  let received: Received
  let connection: SamlPartner
  try {
    received = decodeSoap(request.body instanceof Uint8Array ? request.body : new Uint8Array())
    connection = partnerOf(ctx, received, own)
  } catch (error) {
    if (!isCurfewError(error)) throw error
    noteRefusal(ctx, 'logout.refused', error, request)
    return sendSoapFault(reply, request)
  }
  const answer = await judge(ctx, roleDoor(ctx, own, 'soap'), received, request)
  const response = { id: ctx.ids.message(), entityId: ctx.saml.entityId, nowMs: ctx.clock.nowMs(), requestId: received.claimed.id, status: answer }
  const signed = await signMessage(logoutResponseParts(response), connection.signing)
  return reply.headers({ ...noStore, 'content-type': 'text/xml; charset=utf-8' }).send(encodeSoap(signed))
}

async function judge(ctx: AuthorityContext, door: LogoutDoor, received: Received, request: FastifyRequest): Promise<Status> {
  try {
    const accepted = await acceptLogoutRequest(ctx, door, received)
    const started = await startLogout(ctx, accepted, undefined)
    return started.kind === 'answer' ? started.status : await outcomeOf(ctx, started.runId)
  } catch (error) {
    if (!isCurfewError(error)) throw error
    noteRefusal(ctx, 'logout.refused', error, request)
    return status.requester(statusUri.requestDenied)
  }
}

/** Waits as long as the starter's patience; what is still open then is answered as partial and goes on by itself. */
async function outcomeOf(ctx: AuthorityContext, runId: RunId): Promise<Status> {
  const run = await ctx.store.getRun(runId)
  if (run === undefined) return status.partialLogout()
  const nowMs = ctx.clock.nowMs()
  const settled = (await ctx.engine.waitFor(runId, (r) => starterAnswer(r, ctx.clock.nowMs()) !== undefined, nowMs + run.policy.patienceMs)) ?? run
  const answer = await starterStatus(ctx, settled)
  await ctx.engine.apply(runId, { kind: 'starter-answered', atMs: ctx.clock.nowMs() })
  return answer
}
