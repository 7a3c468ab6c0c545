import {
  type Assertion,
  bearerMethod,
  type LogoutRequest,
  type LogoutResponse,
  nameIdFormat,
  type PeerKeys,
  type Received,
  decodePost,
  serialiseAssertion,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  serialiseResponse,
  signEnvelopedSync,
  status
} from '../../src/index.ts'
import { partnerKey } from './keys.ts'

export const partner = 'https://partner.example/saml'
export const here = 'https://login.example/idp/SLO.saml2'
export const now = Temporal.Instant.from('2026-03-01T09:00:00Z')
export const peer: PeerKeys = { entityId: partner, keys: [partnerKey.verification] }

export const logoutRequest: LogoutRequest = {
  kind: 'LogoutRequest',
  id: '_request1',
  issuer: partner,
  issueInstant: now,
  destination: here,
  notOnOrAfter: now.add({ minutes: 5 }),
  reason: 'urn:oasis:names:tc:SAML:2.0:logout:user',
  subject: { value: 'ana & co', format: nameIdFormat.persistent, nameQualifier: 'https://login.example', spNameQualifier: partner },
  sessionIndexes: ['index-1', 'index-2'],
  asynchronous: false
}

export const logoutResponse: LogoutResponse = {
  kind: 'LogoutResponse',
  id: '_response1',
  issuer: partner,
  issueInstant: now,
  destination: here,
  inResponseTo: '_asked',
  status: status.success()
}

export const assertion: Assertion = {
  id: '_assertion1',
  issuer: partner,
  issueInstant: now,
  subject: {
    nameId: { value: 'ana', format: nameIdFormat.transient },
    confirmations: [{ method: bearerMethod, recipient: here, notOnOrAfter: now.add({ minutes: 5 }), inResponseTo: '_asked' }]
  },
  conditions: { notBefore: now.subtract({ minutes: 1 }), notOnOrAfter: now.add({ minutes: 5 }), audienceRestrictions: [['https://login.example']] },
  authnStatement: { authnInstant: now, sessionIndex: 'index-1', classRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password' },
  attributes: [{ name: 'mail', values: ['ana@example.com', 'a@example.com'] }]
}

export const signedRequest = signEnvelopedSync(serialiseLogoutRequest(logoutRequest), partnerKey.signing)
export const signedResponse = signEnvelopedSync(serialiseLogoutResponse(logoutResponse), partnerKey.signing)
export const signedAssertion = signEnvelopedSync(serialiseAssertion(assertion), partnerKey.signing)

/** A Response around a signed assertion; itself unsigned unless `signs`. */
export function responseXml(inner: string = signedAssertion, signs = false): string {
  const parts = serialiseResponse(
    { kind: 'Response', id: '_answer1', issuer: partner, issueInstant: now, destination: here, inResponseTo: '_asked', status: status.success() },
    inner
  )
  return signs ? signEnvelopedSync(parts, partnerKey.signing) : parts.head + parts.tail
}

/** As it would come in by HTTP POST. */
export function posted(xml: string, parameter: 'SAMLRequest' | 'SAMLResponse' = 'SAMLRequest'): Received {
  return decodePost([[parameter, Buffer.from(xml).toString('base64')]])
}

/** Runs something that must be refused and gives the code of the refusal. */
export function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
  return 'accepted'
}
