import {
  type Assertion,
  type AuthnRequest,
  bearerMethod,
  bindingUri,
  decodePost,
  decodeRedirect,
  decodeSoap,
  encryptAssertion,
  encodePost,
  encodeRedirect,
  encodeSoap,
  type LogoutRequest,
  type NameID,
  nameIdFormat,
  type PeerKeys,
  type Response,
  type Seal,
  type SigningKey,
  type Status,
  serialiseAssertion,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  serialiseResponse,
  signMessage,
  status,
  type Verified,
  verificationKeyFromCertificate,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse
} from '@curfew/codecs'
import type { IdentityProviderSettings } from '../../src/authority/saml/settings.ts'
import type { Clock } from '../../src/platform/clock.ts'
import { type KeyPair, makeKeyPair } from './key-pairs.ts'
import { authorityUrl } from './partner.ts'

export const consumerUrl = `${authorityUrl}/sp/ACS.saml2`
export const spSloUrl = `${authorityUrl}/sp/SLO.saml2`
export const spSloSoapUrl = `${authorityUrl}/sp/SLO.ssaml2`
export { bindingUri }

/** An upstream identity provider as the other side of the wire: reads requests, writes answers with keys of its own. */
export interface UpstreamProvider {
  readonly entityId: string
  readonly settings: IdentityProviderSettings
  readonly pair: KeyPair
  readAuthnRequest(url: string): Verified<AuthnRequest>
  /** Fields of a form that carries a Response for a user. */
  respond(answer: Answer): Promise<Readonly<Record<string, string>>>
  logoutRequest(subject: NameID, sessionIndexes: readonly string[], change?: Partial<LogoutRequest>): LogoutRequest
  logoutRedirect(request: LogoutRequest): Promise<string>
  logoutSoap(request: LogoutRequest): Promise<string>
  readLogoutRequest(url: string): Verified<LogoutRequest>
  logoutAnswer(request: LogoutRequest, answer?: Status): Promise<string>
  readLogoutResponse(url: string): ReturnType<typeof verifyLogoutResponse>
  readSoapResponse(body: string): ReturnType<typeof verifyLogoutResponse>
}

export interface Answer {
  readonly requestId?: string | undefined
  readonly username?: string
  readonly sessionIndex?: string
  readonly status?: Status
  readonly relayState?: string
  readonly attributes?: Assertion['attributes']
  /** Last word on the assertion and on the Response around it. */
  readonly assertion?: Partial<Assertion>
  readonly response?: Partial<Response>
  readonly audience?: string
  readonly recipient?: string
  readonly signing?: SigningKey
  /** Encrypts the assertion, after it was signed. */
  readonly seal?: Seal
  /** What becomes of the encrypted assertion before the Response is signed around it, as other products write it. */
  readonly reseal?: (encrypted: string, signed: string) => string
  /** Only the assertion is signed. */
  readonly unsignedResponse?: boolean
}

let serial = 0
function nextId(): string {
  serial += 1
  return `_idp${serial.toString(16).padStart(37, '0')}`
}

export function nameIdOf(username: string): NameID {
  return { value: username, format: nameIdFormat.unspecified }
}

export function createUpstream(
  id: string,
  clock: Clock,
  authority: Pick<KeyPair, 'certificate'> | readonly Pick<KeyPair, 'certificate'>[],
  settings: Partial<IdentityProviderSettings> = {}
): UpstreamProvider {
  const pair = makeKeyPair(id)
  const origin = `http://${id}.test`
  const entityId = `${origin}/idp`
  const signing: SigningKey = { key: pair.key, algorithm: 'ecdsa-sha256' }
  const keys: PeerKeys = { entityId: authorityUrl, keys: [authority].flat().map(({ certificate }) => verificationKeyFromCertificate(certificate)) }
  const now = (): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(clock.nowMs())
  const queryOf = (url: string): string => url.slice(url.indexOf('?') + 1)
  const head = (): { readonly id: string; readonly issuer: string; readonly issueInstant: Temporal.Instant } => ({
    id: nextId(),
    issuer: entityId,
    issueInstant: now()
  })
  return {
    entityId,
    pair,
    settings: {
      id,
      name: id[0]?.toUpperCase() + id.slice(1),
      entityId,
      sso: [{ binding: 'redirect', url: `${origin}/sso` }],
      slo: [{ binding: 'redirect', url: `${origin}/slo` }],
      attributes: { mail: 'mail' },
      ...settings
    },
    readAuthnRequest: (url) => verifyAuthnRequest(decodeRedirect(queryOf(url)), keys, { signature: 'required' }),
    respond: async (answer) => {
      const inResponseTo = answer.requestId === undefined ? {} : { inResponseTo: answer.requestId }
      const recipient = answer.recipient ?? consumerUrl
      const assertion: Assertion = {
        ...head(),
        subject: {
          nameId: nameIdOf(answer.username ?? 'ana'),
          confirmations: [{ method: bearerMethod, recipient, notOnOrAfter: now().add({ minutes: 5 }), ...inResponseTo }]
        },
        conditions: { notOnOrAfter: now().add({ minutes: 5 }), audienceRestrictions: [[answer.audience ?? authorityUrl]] },
        authnStatement: {
          authnInstant: now(),
          classRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
          ...(answer.sessionIndex === undefined ? {} : { sessionIndex: answer.sessionIndex })
        },
        attributes: answer.attributes ?? [],
        ...answer.assertion
      }
      const said = answer.status ?? status.success()
      const signed = status.isSuccess(said) ? await signMessage(serialiseAssertion(assertion), answer.signing ?? signing) : undefined
      const carried =
        signed === undefined || answer.seal === undefined
          ? signed
          : (answer.reseal ?? ((encrypted) => encrypted))(encryptAssertion(signed, answer.seal), signed)
      const parts = serialiseResponse({ kind: 'Response', ...head(), destination: recipient, status: said, ...inResponseTo, ...answer.response }, carried)
      const relay = answer.relayState === undefined ? {} : { relayState: answer.relayState }
      return encodePost(answer.unsignedResponse === true ? parts.head + parts.tail : await signMessage(parts, answer.signing ?? signing), {
        parameter: 'SAMLResponse',
        ...relay
      }).fields
    },
    logoutRequest: (subject, sessionIndexes, change = {}) => ({
      kind: 'LogoutRequest',
      ...head(),
      destination: spSloUrl,
      notOnOrAfter: now().add({ minutes: 5 }),
      subject,
      sessionIndexes,
      asynchronous: false,
      ...change
    }),
    logoutRedirect: (request) => {
      const parts = serialiseLogoutRequest(request)
      return encodeRedirect(spSloUrl, { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, signing)
    },
    logoutSoap: async (request) => encodeSoap(await signMessage(serialiseLogoutRequest(request), signing)),
    readLogoutRequest: (url) => verifyLogoutRequest(decodeRedirect(queryOf(url)), keys),
    logoutAnswer: (request, answer = status.success()) => {
      const parts = serialiseLogoutResponse({ kind: 'LogoutResponse', ...head(), destination: spSloUrl, inResponseTo: request.id, status: answer })
      return encodeRedirect(spSloUrl, { parameter: 'SAMLResponse', xml: parts.head + parts.tail }, signing)
    },
    readLogoutResponse: (url) => verifyLogoutResponse(decodeRedirect(queryOf(url)), keys),
    readSoapResponse: (body) => verifyLogoutResponse(decodeSoap(Buffer.from(body)), keys)
  }
}

/** Fields of a Response that came by POST, read as the identity provider's own program would. */
export function decodeFields(fields: Readonly<Record<string, string>>) {
  return decodePost(Object.entries(fields))
}
