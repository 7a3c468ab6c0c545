import type { FastifyRequest } from 'fastify'
import { landingRules } from '../../core/landing-rules.ts'
import type { Peer } from '../../core/peer.ts'
import { decideRedirect } from '../../core/redirect.ts'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { type JudgedLanding, judged } from '../redirects.ts'
import type { Parameters } from '../request.ts'
import { idpidOf } from './idpid.ts'

/**
 * Judges `page` by the session as it is before it ends. A value that no rule accepts is ignored; why is for the
 * administrator: in the log, in the audit record and in the run.
 * @param session - undefined: nobody is signed in, so no application can lend its hosts
 */
export async function judgePage(ctx: AuthorityContext, session: Session | undefined, parameters: Parameters, request: FastifyRequest): Promise<JudgedLanding> {
  const raw = parameters['page']
  if (raw === undefined) return {}
  const peers = session === undefined ? providersOf(ctx, parameters['idpid']) : await peersOf(ctx, session)
  const list = landingRules({
    peers,
    ownOrigins: [...ctx.pingOne.ownOrigins, ctx.baseUrl],
    allowLoopbackHttp: ctx.baseUrl.startsWith('http:')
  })
  const landing = judged(ctx, 'page', decideRedirect(raw, { list, exact: [] }), request)
  if (landing.ignored !== undefined) await audit(ctx, session, landing.ignored.why)
  return landing
}

/** Everybody in the session: its applications, and the identity provider that it came from. */
async function peersOf(ctx: AuthorityContext, session: Session): Promise<readonly Peer[]> {
  const participants = await ctx.store.getParticipants(session.id)
  const ids = new Set([session.sourceId, ...participants.map(({ peerId }) => peerId)])
  return [...ids].flatMap((id) => ctx.peer(id) ?? [])
}

function providersOf(ctx: AuthorityContext, idpid: string | undefined): readonly Peer[] {
  const providers = [...ctx.connections.identityProviders(), ...ctx.upstreams.all()]
  return providers.map(({ peer }) => peer).filter(({ id }) => idpid === undefined || idpidOf(ctx, id) === idpid)
}

async function audit(ctx: AuthorityContext, session: Session | undefined, why: string): Promise<void> {
  await ctx.store.appendAudit({
    atMs: ctx.clock.nowMs(),
    event: 'redirect.ignored',
    actor: session === undefined ? { kind: 'system', id: 'redirect' } : { kind: 'user', id: session.username },
    detail: { parameter: 'page', why },
    ...(session === undefined ? {} : { userKey: session.userKey, sessionId: session.id })
  })
}
