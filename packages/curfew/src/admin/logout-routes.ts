import { z } from 'zod'
import type { SessionId } from '../core/ids.ts'
import type { SessionSummary } from '../stores/store.ts'
import { actorOf } from './actor.ts'
import type { AdminContext } from './context.ts'
import { dryRunView, endedView, logoutRequest } from './schemas.ts'
import type { AdminServer } from './server.ts'
import { endedViewOf } from './session-routes.ts'

/** Most sessions of each group that one call ends; the rest is left for the next call. */
export const endedPerCallMax = 1_000

export function registerLogout(app: AdminServer, ctx: AdminContext): void {
  app.post('/v1/logout', { schema: { body: logoutRequest, response: { 200: z.union([endedView, dryRunView]) } } }, async (request) => {
    const { user, app: peerId, reason, dryRun, endOfflineGrants } = request.body
    const { found, unreached } = await ctx.everywhere.live({
      max: endedPerCallMax,
      ...(user === undefined ? {} : { username: user }),
      ...(peerId === undefined ? {} : { peerId })
    })
    if (dryRun === true) return { ...dryRunOf(found), ...unreachedIn(unreached) }
    const summary = await ctx.engine.endSessions({
      scope: { kind: 'sessions', sessionIds: found.map(({ session }): SessionId => session.id) },
      reason: 'admin',
      by: actorOf(request.headers['user-agent'], reason),
      starter: { kind: 'none' },
      browser: 'absent',
      ...(endOfflineGrants === true ? { endOfflineGrants } : {})
    })
    return { ...endedViewOf(summary), ...unreachedIn([...unreached, ...(summary.unreached ?? [])]) }
  })
}

/** Groups that could not be asked: there may be more sessions. */
function unreachedIn(groups: readonly string[]): { readonly unreached?: string[] } {
  return groups.length === 0 ? {} : { unreached: [...new Set(groups)] }
}

function dryRunOf(found: readonly SessionSummary[]): z.output<typeof dryRunView> {
  const applications: Record<string, number> = {}
  const told = found.flatMap(({ participants }) => [...new Set(participants.map(({ peerId }) => peerId))])
  for (const peerId of told) applications[peerId] = (applications[peerId] ?? 0) + 1
  return { sessions: found.length, users: [...new Set(found.map(({ session }) => session.username))], applications }
}
