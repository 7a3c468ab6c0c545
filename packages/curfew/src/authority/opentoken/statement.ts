import { CurfewError, type OpenTokenStatement } from '@curfew/codecs'
import type { Session } from '../../core/session.ts'
import { instant } from '../saml/endpoints.ts'
import type { OpenTokenAdapter } from './adapter.ts'

/** What a token says of the user of a session. Undefined `session`: it is gone from the registry, the subject alone is left. */
export function statementOf(adapter: OpenTokenAdapter, subject: string, session: Session | undefined, nowMs: number): OpenTokenStatement {
  // Tokens count whole seconds; a window that began in the last one is valid at once.
  const fromMs = Math.floor(nowMs / 1000) * 1000
  const endMs = session === undefined || session.end !== undefined ? Number.MAX_SAFE_INTEGER : session.expiresAtMs
  return {
    subject,
    attributes: session === undefined ? {} : attributesOf(adapter, session),
    notBefore: instant(fromMs),
    notOnOrAfter: instant(fromMs + adapter.tokenSeconds * 1000),
    renewUntil: instant(Math.max(fromMs, Math.min(fromMs + adapter.sessionSeconds * 1000, endMs))),
    ...(session === undefined ? {} : { authnContext: session.authnContext })
  }
}

function attributesOf({ attributes }: OpenTokenAdapter, session: Session): OpenTokenStatement['attributes'] {
  const pairs = Object.entries(attributes).map(([name, own]) => [name, own === 'username' ? [session.username] : (session.attributes[own] ?? [])] as const)
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
