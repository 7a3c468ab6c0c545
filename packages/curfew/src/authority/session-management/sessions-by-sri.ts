import type { FastifyReply, FastifyRequest } from 'fastify'
import { idleExpiry } from '../../core/expiry.ts'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { noStore } from '../request.ts'
import { endFor } from './ending.ts'
import { factsOf, statusOf } from './session-facts.ts'
import { sessionOfSri } from './sri.ts'

/** `GET .../sessions/{sri}`: what the SRI stands for, and whether it is still good. */
export async function readSessions(ctx: AuthorityContext, _client: OidcClient, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return answer(ctx, request, reply)
}

/** `POST .../sessions/{sri}/extend`: counts as activity; never past the absolute limit (AC-112). */
export async function extendSessions(ctx: AuthorityContext, _client: OidcClient, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const session = await asked(ctx, request)
  const nowMs = ctx.clock.nowMs()
  if (session !== undefined && isLive(session, nowMs)) {
    await ctx.store.touch(session.id, nowMs, idleExpiry(nowMs, session.idleTimeoutMs, session.expiresAtMs))
  }
  return answer(ctx, request, reply)
}

/** `POST .../sessions/{sri}/revoke`: ends it, everywhere (AC-113). */
export async function revokeSessions(ctx: AuthorityContext, client: OidcClient, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const session = await asked(ctx, request)
  if (session !== undefined) {
    await endFor(ctx, client, { kind: 'session', sessionId: session.id })
    await list(ctx, session.sri)
  }
  return answer(ctx, request, reply)
}

/** Where another group has the session it is on the list there, and comes here a moment later: whoever asks now hears of it now. */
async function list({ store, clock, sriRevocationMs }: AuthorityContext, sri: string): Promise<void> {
  const nowMs = clock.nowMs()
  if (!(await store.isRevoked(sri, nowMs))) await store.revoke(sri, nowMs + sriRevocationMs, nowMs)
}

async function answer(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const nowMs = ctx.clock.nowMs()
  const session = await asked(ctx, request)
  const isRevoked = await ctx.store.isRevoked(sriOf(request), nowMs)
  const isValid = session !== undefined && isLive(session, nowMs)
  return reply.headers(noStore).send({ id: sriOf(request), status: statusOf(session, isRevoked, nowMs), sessions: isValid ? [factsOf(session)] : [] })
}

async function asked(ctx: AuthorityContext, request: FastifyRequest): Promise<Session | undefined> {
  return ctx.store.getSession(sessionOfSri(ctx, sriOf(request)))
}

function sriOf(request: FastifyRequest): string {
  return (request.params as { readonly sri?: string }).sri ?? ''
}
