import { CurfewError, type OpenTokenStatement } from '@curfew/codecs'
import type { Session } from '../../core/session.ts'
import { instant } from '../saml/endpoints.ts'
import type { OpenTokenAdapter } from './adapter.ts'

/** Whom a token names. */
export interface Named {
  readonly subject: string
  /** What this application calls the session; the same at the sign-in and at the logout. */
  readonly sessionIndex: string
  readonly session: Session | undefined
}

/** What a token says of the user of a session. Undefined `session`: it is gone from the registry, the subject alone is left. */
export function statementOf(adapter: OpenTokenAdapter, { subject, sessionIndex, session }: Named, nowMs: number): OpenTokenStatement {
  // Tokens count whole seconds; a window that began in the last one is valid at once.
  const fromMs = Math.floor(nowMs / 1000) * 1000
  const endMs = session === undefined || session.end !== undefined ? Number.MAX_SAFE_INTEGER : session.expiresAtMs
  return {
    subject,
    attributes: attributesOf(adapter, session, sessionIndex),
    notBefore: instant(fromMs),
    notOnOrAfter: instant(fromMs + adapter.tokenSeconds * 1000),
    renewUntil: instant(Math.max(fromMs, Math.min(fromMs + adapter.sessionSeconds * 1000, endMs))),
    ...(session === undefined ? {} : { authnContext: session.authnContext })
  }
}

function attributesOf({ attributes }: OpenTokenAdapter, session: Session | undefined, sessionIndex: string): OpenTokenStatement['attributes'] {
  const own: Readonly<Record<string, readonly string[]>> = {
    ...session?.attributes,
    ...(session === undefined ? {} : { username: [session.username] }),
    sessionIndex: [sessionIndex]
  }
  const pairs = Object.entries(attributes).map(([name, wanted]) => [name, own[wanted] ?? []] as const)
  return Object.fromEntries(pairs.filter(([, values]) => values.length > 0))
}

/**
 * What an application calls the user.
 * @throws CURFEW_OPENTOKEN_SUBJECT_ATTRIBUTE when the user has no value for the attribute that the adapter names
 */
export function subjectOf(adapter: OpenTokenAdapter, session: Session): string {
  const attribute = adapter.role === 'sp' ? adapter.subject : undefined
  if (attribute === undefined) return session.username
  const value = session.attributes[attribute]?.[0]
  if (value === undefined || value === '') throw new CurfewError('CURFEW_OPENTOKEN_SUBJECT_ATTRIBUTE', { connection: adapter.id, attribute })
  return value
}
