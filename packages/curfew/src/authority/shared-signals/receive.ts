import { CurfewError, type SecurityEventToken, securityEvents, sha256Hex } from '@curfew/codecs'
import type { AuthorityContext } from '../context.ts'
import { type MatchingDeps, matchingSessions } from './matching.ts'
import type { TransmitterSettings } from './settings.ts'
import type { TransmitterKeys } from './transmitter-keys.ts'

export type ReceiveDeps = MatchingDeps & Pick<AuthorityContext, 'engine' | 'logger'>

/** Events that end the sessions of their subject. */
const endings: ReadonlySet<string> = new Set([
  securityEvents.sessionRevoked,
  securityEvents.credentialChange,
  securityEvents.sessionsRevoked,
  securityEvents.accountDisabled
])

const receivedKind = 'ReceivedSignal'
/** How long a token is remembered. One that comes later finds no session that is old enough. */
const receivedKeepMs = 30 * 86_400_000
/** Clocks may differ by so much: sessions that began so long after the event still count as older. */
const skewMs = 60_000

/**
 * Takes one Security Event Token over. When this returns, what it asks for is stored and can't be lost: its sender may
 * forget it. A token that was taken over before changes nothing.
 * @throws what `TransmitterKeys.verify` throws
 */
export async function receiveSet(deps: ReceiveDeps, keys: TransmitterKeys, transmitter: TransmitterSettings, text: string): Promise<SecurityEventToken> {
  const set = await keys.verify(transmitter, text)
  const id = sha256Hex(`${set.issuer}\0${set.jti}`)
  const nowMs = deps.clock.nowMs()
  if ((await deps.store.getArtifact(receivedKind, id, nowMs)) !== undefined) return set
  const sessions = endings.has(set.event) ? await endMatching(deps, transmitter, set) : 0
  await deps.store.putArtifact({ kind: receivedKind, id, untilMs: nowMs + receivedKeepMs, value: { sessions } })
  const event = set.event.slice(set.event.lastIndexOf('/') + 1).slice(0, 60)
  await deps.store.appendAudit({
    atMs: nowMs,
    event: 'signal.received',
    actor: { kind: 'peer', id: transmitter.id },
    detail: { event, subject: set.subject.format, sessions }
  })
  deps.logger.info({ event: 'signal.received', transmitter: transmitter.id, signal: event, sessions }, 'A shared signal was received')
  return set
}

async function endMatching(deps: ReceiveDeps, transmitter: TransmitterSettings, set: SecurityEventToken): Promise<number> {
  // `iat` is in whole seconds; a session that began later than the event is not meant by it.
  const untilMs = Math.min(set.eventAtMs ?? set.issuedAtMs + 999, deps.clock.nowMs()) + skewMs
  const { found, unreached } = await matchingSessions(deps, transmitter, set.subject)
  const sessions = found.filter(({ authenticatedAtMs }) => authenticatedAtMs <= untilMs)
  if (sessions.length === 0) return allReached(unreached, 0)
  const summary = await deps.engine.endSessions({
    scope: { kind: 'sessions', sessionIds: sessions.map(({ id }) => id) },
    reason: 'shared-signal',
    by: { kind: 'peer', id: transmitter.id },
    starter: { kind: 'none' },
    browser: 'absent'
  })
  return allReached([...unreached, ...(summary.unreached ?? [])], summary.ended.length)
}

/** A token is taken over when all it means has ended; until then its sender brings it again. @throws CURFEW_GROUP_UNREACHABLE */
function allReached(unreached: readonly string[], ended: number): number {
  if (unreached.length > 0) throw new CurfewError('CURFEW_GROUP_UNREACHABLE', { group: [...new Set(unreached)].join(' ') })
  return ended
}
