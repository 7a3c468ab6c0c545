import type { ParticipantId, SessionId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import type { Store } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'

type IdTokenDeps = Pick<AuthorityContext, 'store' | 'clock'>

const kind = 'UpstreamIdToken'
/** A logout may wait so long for its browser after the session has ended. */
const afterEndMs = 30 * 86_400_000
/** Sessions that never expire keep their tokens so long. */
const keptMsMax = 400 * 86_400_000

/** Keeps the ID token of a session: the provider takes it at the logout as word of whose session is meant. */
export async function keepIdToken(deps: IdTokenDeps, session: Session, participant: Participant, idToken: string | undefined): Promise<void> {
  if (idToken === undefined) return
  const untilMs = Math.min(session.expiresAtMs + afterEndMs, deps.clock.nowMs() + keptMsMax)
  await deps.store.putArtifact({ kind, id: idOf(session.id, participant.id), sessionId: session.id, untilMs, value: { idToken } })
}

export async function keptIdToken(
  deps: { readonly store: Pick<Store, 'getArtifact'> },
  sessionId: SessionId,
  participantId: ParticipantId,
  nowMs: number
): Promise<string | undefined> {
  const kept = await deps.store.getArtifact(kind, idOf(sessionId, participantId), nowMs)
  return (kept?.value as { readonly idToken: string } | undefined)?.idToken
}

function idOf(sessionId: SessionId, participantId: ParticipantId): string {
  return `${sessionId}:${participantId}`
}
