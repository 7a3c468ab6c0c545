import { z } from 'zod'
import type { EndSummary } from '../core/end-sessions.ts'
import type { SessionId } from '../core/ids.ts'
import type { LogoutRun } from '../core/run.ts'
import type { LiveTally, TallyQuery } from '../stores/everywhere.ts'
import { actorOf } from './actor.ts'
import type { AdminContext } from './context.ts'
import { dryRunView, endedPerCallMax, endedView, logoutRequest } from './schemas.ts'
import type { AdminServer } from './server.ts'
import { endedViewOf } from './session-routes.ts'

/** A call that ends at least so many sessions is one of a bulk logout: it answers when their applications were asked. */
const bulkMin = 50
/** For so long it waits at most: an application that hangs does not hold up the rest. */
const bulkPauseMsMax = 1_000

export function registerLogout(app: AdminServer, ctx: AdminContext): void {
  app.post('/v1/logout', { schema: { body: logoutRequest, response: { 200: z.union([endedView, dryRunView]) } } }, async (request) => {
    const { user, userKeys, app: peerId, idp: sourceId, reason, dryRun, endOfflineGrants, beforeMs, max = endedPerCallMax } = request.body
    const query: TallyQuery = {
      ...(user === undefined ? {} : { username: user }),
      ...(userKeys === undefined ? {} : { userKeys }),
      ...(peerId === undefined ? {} : { peerId }),
      ...(sourceId === undefined ? {} : { sourceId }),
      ...(beforeMs === undefined ? {} : { beforeMs })
    }
    if (dryRun === true) {
      const atMs = ctx.clock.nowMs()
      const { found, unreached } = await ctx.everywhere.tally(query)
      return { atMs, ...sumOf(found), ...unreachedIn(unreached) }
    }
    const { found, unreached } = await ctx.everywhere.live({ ...query, max })
    const summary = await ctx.engine.endSessions({
      scope: { kind: 'sessions', sessionIds: found.map(({ session }): SessionId => session.id) },
      reason: 'admin',
      by: actorOf(request.headers['user-agent'], reason),
      starter: { kind: 'none' },
      browser: 'absent',
      ...(endOfflineGrants === true ? { endOfflineGrants } : {})
    })
    if (summary.ended.length >= bulkMin) await untilAsked(ctx, summary)
    return { ...endedViewOf(summary), ...(found.length >= max ? { more: true as const } : {}), ...unreachedIn([...unreached, ...(summary.unreached ?? [])]) }
  })
}

/** The pace of a bulk logout: as fast as the applications take it, so that nobody who signs out meanwhile waits behind it. */
async function untilAsked({ engine, clock }: AdminContext, { ended }: EndSummary): Promise<void> {
  const deadlineMs = clock.nowMs() + bulkPauseMsMax
  for (const { runId } of ended) await engine.waitFor(runId, isAsked, deadlineMs)
}

function isAsked({ deliveries }: LogoutRun): boolean {
  return deliveries.every(({ state }) => state !== 'pending' && state !== 'sent')
}

/** Groups that could not be asked: there may be more sessions. */
function unreachedIn(groups: readonly string[]): { readonly unreached?: string[] } {
  return groups.length === 0 ? {} : { unreached: [...new Set(groups)] }
}

function sumOf(tallies: readonly LiveTally[]): LiveTally {
  const applications: Record<string, number> = {}
  for (const tally of tallies) for (const [peerId, count] of Object.entries(tally.applications)) applications[peerId] = (applications[peerId] ?? 0) + count
  const sum = (of: (tally: LiveTally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0)
  return { sessions: sum(({ sessions }) => sessions), users: sum(({ users }) => users), applications }
}
