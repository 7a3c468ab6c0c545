import type { NameID } from '@curfew/codecs'
import { issuerSkewMs } from './guard.ts'
import type { AppSession, LogoutSubject, SessionRegistry } from './session-registry.ts'

/**
 * Leaves with the tombstone of a logout, and before it, when the logout was here. Clocks of the provider's machines may
 * differ; what the application asked for since then was issued since then, whatever they say.
 */
export async function noteLogout(
  sessions: SessionRegistry,
  subject: LogoutSubject & { readonly nameId: NameID },
  nowMs: number,
  untilMs: number
): Promise<void> {
  const { identityProvider, nameId, sessionIndexes } = subject
  await sessions.endBySubject({ identityProvider, nameId: arrivalOf(nameId), sessionIndexes, issuedUntilMs: nowMs }, untilMs)
}

/**
 * Whether the sign-in is from before a logout of its session: it was issued up to then, or so shortly after that by another
 * clock of the provider it may have been, and was not asked for since the logout was here.
 * @param askedAtMs - when the application asked for it; absent: it did not
 */
export async function isOvertaken(sessions: SessionRegistry, session: AppSession, askedAtMs: number | undefined, nowMs: number): Promise<boolean> {
  const { sri: _, ...named } = session
  const { issuedAtMs = 0, nameId } = named
  if (await sessions.isEnded(session, nowMs)) return true
  if (!(await sessions.isEnded({ ...named, issuedAtMs: issuedAtMs - issuerSkewMs }, nowMs))) return false
  return sessions.isEnded({ ...named, nameId: arrivalOf(nameId), issuedAtMs: askedAtMs ?? 0 }, nowMs)
}

/** The name under which a registry has the arrival of a logout: none of XML can have this character. */
function arrivalOf(nameId: NameID): NameID {
  return { ...nameId, value: `\u0000${nameId.value}` }
}
