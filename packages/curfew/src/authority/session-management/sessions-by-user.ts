import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UserKey } from '../../core/ids.ts'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'
import { requireCaller } from './caller.ts'
import { endFor } from './ending.ts'
import { factsOf } from './session-facts.ts'

/** `GET .../users/{key}`: the valid sessions of a user name, whichever source signed the user in (AC-115). */
export async function readUser(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  await requireCaller(ctx, request, 'sessionManagement')
  const sessions = await liveSessions(ctx, request)
  return reply.headers(noStore).send({ id: keyOf(request), sessions: sessions.map(factsOf) })
}

/** `POST .../users/{key}/revoke`: ends them all; 200 with an empty body (AC-116). */
export async function revokeUser(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const client = await requireCaller(ctx, request, 'sessionManagement')
  const sessionIds = (await liveSessions(ctx, request)).map(({ id }) => id)
  if (sessionIds.length > 0) await endFor(ctx, client, { kind: 'sessions', sessionIds })
  return reply.status(200).headers(noStore).send()
}

async function liveSessions(ctx: AuthorityContext, request: FastifyRequest): Promise<readonly Session[]> {
  const key = keyOf(request)
  const userKeys: readonly UserKey[] = [...ctx.users.keysFor(key), ...ctx.connections.identityProviders().map(({ id }) => `${id}:${key}`)]
  const found = await Promise.all(userKeys.map((userKey) => ctx.store.findByUser(userKey)))
  return found.flat().filter((session) => isLive(session, ctx.clock.nowMs()))
}

function keyOf(request: FastifyRequest): string {
  const { key } = request.params as { readonly key?: string }
  if (key === undefined || key === '') throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'the user name in the path' })
  return key
}
