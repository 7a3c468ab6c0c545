import type { ApplicationSettings } from '../settings.ts'
import type { OpenedSession, WebSession } from '../session/web-session.ts'

/** Longest value of one identity header, in characters. */
const valueCharactersMax = 4_096

/**
 * The headers that tell an application who the user is. A claim that is not there gives no header; a list gives its
 * texts with commas between. Text beyond ASCII goes as UTF-8 octets.
 */
export function identityHeaders({ headers }: Pick<ApplicationSettings, 'headers'>, session: WebSession): readonly (readonly [string, string])[] {
  return Object.entries(headers).flatMap(([name, claim]) => {
    const value = headerValue(claimOf(session, claim))
    return value === undefined ? [] : [[name, value] as const]
  })
}

/** The same for a session that is open: made once, and sent with each of its requests. */
export function openedIdentity(
  application: Pick<ApplicationSettings, 'id' | 'headers'>,
  { session, headers }: OpenedSession
): readonly (readonly [string, string])[] {
  const known = headers.get(application.id)
  if (known !== undefined) return known
  const made = identityHeaders(application, session)
  headers.set(application.id, made)
  return made
}

function claimOf(session: WebSession, claim: string): unknown {
  switch (claim) {
    case 'sub':
      return session.subject
    case 'iss':
      return session.issuer
    case 'sid':
      return session.sid
    case 'pi.sri':
      return session.sri
  }
  return session.claims[claim]
}

function headerValue(value: unknown): string | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const texts = list.flatMap((one) => (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean' ? [String(one)] : []))
  const text = Buffer.from(texts.join(','), 'utf8').toString('latin1')
  const isSendable = text !== '' && text.length <= valueCharactersMax && !hasControl(text)
  return isSendable ? text : undefined
}

/** A claim with a line break or a NUL in it is no header: it is left out, never repaired. */
function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}
