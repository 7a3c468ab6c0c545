import { CurfewError } from '@curfew/codecs'
import type { EndScope } from '../../core/end-sessions.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'

/** A client ends sessions: a normal logout that every application hears of, and a line of the audit log (AC-118). */
export async function endFor(ctx: AuthorityContext, client: OidcClient, scope: EndScope): Promise<void> {
  const { ended, unreached } = await ctx.engine.endSessions({
    scope,
    reason: 'admin',
    by: { kind: 'peer', id: client.id },
    starter: { kind: 'none' },
    browser: 'absent'
  })
  for (const { sessionId, runId } of ended) {
    await ctx.store.appendAudit({
      atMs: ctx.clock.nowMs(),
      event: 'session.revoked',
      actor: { kind: 'peer', id: client.id },
      sessionId,
      runId,
      peerId: client.id
    })
  }
  // What ended here has its line in the audit log all the same.
  if (unreached !== undefined) throw new CurfewError('CURFEW_GROUP_UNREACHABLE', { group: unreached.join(' ') })
}
