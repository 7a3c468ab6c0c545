import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UserKey } from '../../core/ids.ts'
import { isLive, type Session } from '../../core/session.ts'
import type { Found } from '../../stores/everywhere.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { noStore } from '../request.ts'
import { endFor } from './ending.ts'
import { factsOf } from './session-facts.ts'

/**
 * `GET .../users/{key}`: the valid sessions of a user name, or of its hash (AC-117), whichever source signed the user in
 * (AC-115). The subject of an OpenID provider finds them as well.
 */
export async function readUser(ctx: AuthorityContext, _client: OidcClient, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const sessions = await liveSessions(ctx, request)
  requireAll(sessions)
  return reply.headers(noStore).send({ id: keyOf(request), sessions: sessions.found.map(factsOf) })
}

/** `POST .../users/{key}/revoke`: ends them all; 200 with an empty body (AC-116). */
export async function revokeUser(ctx: AuthorityContext, client: OidcClient, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const sessions = await liveSessions(ctx, request)
  const sessionIds = sessions.found.map(({ id }) => id)
  // What can be ended ends, before the client hears that there may be more.
  if (sessionIds.length > 0) await endFor(ctx, client, { kind: 'sessions', sessionIds })
  requireAll(sessions)
  return reply.status(200).headers(noStore).send()
}

/** The most sessions of one name that are looked at, in each group and of each OpenID provider. */
const sessionsMax = 1_000

async function liveSessions(ctx: AuthorityContext, request: FastifyRequest): Promise<Found<Session>> {
  const key = keyOf(request)
  const found = await Promise.all([...userKeysOf(ctx, key).map((userKey) => ctx.everywhere.byUser(userKey)), ...byNamedClaim(ctx, key)])
  const live = found.flatMap((one) => one.found).filter((session) => isLive(session, ctx.clock.nowMs()))
  return {
    found: [...new Map(live.map((session) => [session.id, session])).values()],
    unreached: [...new Set(found.flatMap(({ unreached }) => unreached))]
  }
}

/** What whoever is called so is kept under, by every source that signs people in. */
function userKeysOf({ sessions, users, connections, upstreams, adapters }: AuthorityContext, key: string): readonly UserKey[] {
  // A key that is hashed is asked for by its hash: a name finds nothing.
  const own = sessions.hashUserKeys ? users.sources.map((id) => `${id}:${key}`) : users.keysFor(key)
  const elsewhere = [...connections.identityProviders(), ...upstreams.all(), ...adapters.logins()]
  return [...own, ...elsewhere.map(({ id }) => `${id}:${key}`)]
}

/** OpenID providers whose user name is another claim than the subject that people are kept under. */
function byNamedClaim({ sessions, upstreams, everywhere }: AuthorityContext, username: string): readonly Promise<Found<Session>>[] {
  if (sessions.hashUserKeys) return []
  return upstreams
    .all()
    .filter(({ settings }) => settings.username !== undefined)
    .map(async ({ id }) => {
      const { found, unreached } = await everywhere.live({ username, sourceId: id, max: sessionsMax })
      return { found: found.map(({ session }) => session), unreached }
    })
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
