import { revocationFingerprint } from '@curfew/codecs'
import type { LogoutSubject, Named } from './session-registry.ts'

/** What a sign-in is found by: its name, its user, its name with its index, its index alone, its SRI by fingerprint. */
export function keysOf(session: Named): readonly string[] {
  const { identityProvider, nameId, sessionIndex, sri } = session
  return [
    nameKey(session, undefined),
    userKey(identityProvider, nameId.value),
    ...(sessionIndex === undefined ? [] : [nameKey(session, sessionIndex), indexKey(identityProvider, sessionIndex)]),
    ...(sri === undefined ? [] : [listedKey(revocationFingerprint(sri))])
  ]
}

/** Key of an SRI, whose fingerprint the revocation feed speaks of. */
export function listedKey(fingerprint: string): string {
  return `sri ${fingerprint}`
}

/** Under which keys the sessions of a logout are found, and its tombstones stand. */
export function keysOfSubject({ identityProvider, nameId, sessionIndexes, isAnyFormat = false }: LogoutSubject): readonly string[] {
  if (nameId === undefined) return sessionIndexes.map((index) => indexKey(identityProvider, index))
  if (isAnyFormat) return [userKey(identityProvider, nameId.value)]
  const named = { identityProvider, nameId }
  return sessionIndexes.length === 0 ? [nameKey(named, undefined)] : sessionIndexes.map((index) => nameKey(named, index))
}

function indexKey(identityProvider: string, sessionIndex: string): string {
  return JSON.stringify([identityProvider, sessionIndex])
}

/** The value alone, whatever format and qualifiers it comes with. */
function userKey(identityProvider: string, user: string): string {
  return JSON.stringify(['user', identityProvider, user])
}

/** Value, format and qualifiers all count; absent qualifiers mean the provider and this application. */
function nameKey({ identityProvider, nameId }: Pick<Named, 'identityProvider' | 'nameId'>, sessionIndex: string | undefined): string {
  const { value, format, nameQualifier } = nameId
  const qualifier = nameQualifier === undefined || nameQualifier === identityProvider ? '' : nameQualifier
  return JSON.stringify([identityProvider, format ?? '', qualifier, value, sessionIndex ?? null])
}
