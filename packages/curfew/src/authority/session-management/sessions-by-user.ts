import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UserKey } from '../../core/ids.ts'
import { isLive, type Session } from '../../core/session.ts'
import type { Found } from '../../stores/everywhere.ts'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'
import { requireCaller } from './caller.ts'
import { endFor } from './ending.ts'
import { factsOf } from './session-facts.ts'

/** `GET .../users/{key}`: the valid sessions of a user name, or of its hash (AC-117), whichever source signed the user in (AC-115). */
export async function readUser(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  await requireCaller(ctx, request, 'sessionManagement')
  const sessions = await liveSessions(ctx, request)
  requireAll(sessions)
  return reply.headers(noStore).send({ id: keyOf(request), sessions: sessions.found.map(factsOf) })
}

/** `POST .../users/{key}/revoke`: ends them all; 200 with an empty body (AC-116). */
export async function revokeUser(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const client = await requireCaller(ctx, request, 'sessionManagement')
  const sessions = await liveSessions(ctx, request)
  const sessionIds = sessions.found.map(({ id }) => id)
  // What can be ended ends, before the client hears that there may be more.
  if (sessionIds.length > 0) await endFor(ctx, client, { kind: 'sessions', sessionIds })
  requireAll(sessions)
  return reply.status(200).headers(noStore).send()
}

async function liveSessions(ctx: AuthorityContext, request: FastifyRequest): Promise<Found<Session>> {
  const key = keyOf(request)
  // A key that is hashed is asked for by its hash: a name finds nothing.
  const own = ctx.sessions.hashUserKeys ? ctx.users.sources.map((id) => `${id}:${key}`) : ctx.users.keysFor(key)
  const userKeys: readonly UserKey[] = [...own, ...ctx.connections.identityProviders().map(({ id }) => `${id}:${key}`)]
  const found = await Promise.all(userKeys.map((userKey) => ctx.everywhere.byUser(userKey)))
  return {
    found: found.flatMap((one) => one.found).filter((session) => isLive(session, ctx.clock.nowMs())),
    unreached: [...new Set(found.flatMap(({ unreached }) => unreached))]
  }
}

/** @throws CURFEW_GROUP_UNREACHABLE (503) when sessions of some group are not among them */
function requireAll({ unreached }: Found<Session>): void {
  if (unreached.length > 0) throw new CurfewError('CURFEW_GROUP_UNREACHABLE', { group: unreached.join(' ') })
}

function keyOf(request: FastifyRequest): string {
  const { key } = request.params as { readonly key?: string }
  if (key === undefined || key === '') throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'the user name in the path' })
  return key
}
