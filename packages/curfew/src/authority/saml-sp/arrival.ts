import { CurfewError, isCurfewError, type Response, type Verified } from '@curfew/codecs'
import type { IdpConnection } from '../saml/connection.ts'
import type { Arrival } from '../upstream/arrival.ts'

/** Where the user name can not be found in the assertion. */
const unspecifiedContext = 'urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified'

/**
 * Reads the user out of a judged Response.
 * @throws CURFEW_SAML_STRUCTURE without an AuthnStatement (Profiles 4.1.4.2 demands one)
 * @throws CURFEW_SESSION_USERNAME_MISSING when the attribute that holds the user name is not there
 */
export function arrivalOf(provider: IdpConnection, response: Verified<Response>): Arrival {
  const { assertion } = response
  const statement = assertion?.authnStatement
  if (assertion === undefined || statement === undefined) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'AuthnStatement' })
  const values = new Map(assertion.attributes.map(({ name, values: v }) => [name, v]))
  const username = provider.username === undefined ? assertion.subject.nameId.value : values.get(provider.username)?.[0]
  if (username === undefined || username === '')
    throw new CurfewError('CURFEW_SESSION_USERNAME_MISSING', { connection: provider.id, attribute: provider.username ?? '' })
  const limitMs = statement.sessionNotOnOrAfter?.epochMilliseconds
  const ends = assertion.subject.confirmations.flatMap((c) => c.notOnOrAfter?.epochMilliseconds ?? [])
  return {
    providerId: provider.id,
    protocol: 'saml',
    nameId: assertion.subject.nameId,
    sessionIndex: statement.sessionIndex ?? '',
    identity: {
      userKey: `${provider.id}:${username}`,
      username,
      sourceId: provider.id,
      attributes: Object.fromEntries(Object.entries(provider.attributes).flatMap(([name, own]) => entry(own, values.get(name)))),
      authnContext: statement.classRef === '' ? unspecifiedContext : statement.classRef,
      authenticatedAtMs: statement.authnInstant.epochMilliseconds,
      ...(limitMs === undefined ? {} : { notOnOrAfterMs: limitMs })
    },
    issuedAtMs: assertion.issueInstant.epochMilliseconds,
    notOnOrAfterMs: Math.max(...ends, assertion.conditions.notOnOrAfter?.epochMilliseconds ?? 0)
  }
}

function entry(own: string, values: readonly string[] | undefined): readonly (readonly [string, readonly string[]])[] {
  return values === undefined || values.length === 0 ? [] : [[own, values]]
}

/** A Response that says no: `NoPassive` is an answer, anything else is a failed sign-in. */
export function isNoPassive(error: unknown): boolean {
  return isCurfewError(error) && error.code === 'CURFEW_SAML_RESPONSE_STATUS' && String(error.context['detail']).includes('NoPassive')
}
