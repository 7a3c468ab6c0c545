import {
  type AuthnRequest,
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodePost,
  encodeRedirect,
  encodeSoap,
  type LogoutRequest,
  type NameID,
  type PeerKeys,
  type Response,
  type SigningKey,
  type Status,
  serialiseAuthnRequest,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signMessage,
  status,
  type Verified,
  verificationKeyFromCertificate,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '@curfew/codecs'
import type { Clock } from '../../src/platform/clock.ts'
import type { ConnectionSettings } from '../../src/authority/saml/settings.ts'
import { formOf } from './browser.ts'
import { type KeyPair, makeKeyPair } from './key-pairs.ts'

export const authorityUrl = 'http://curfew.test'
export const ssoUrl = `${authorityUrl}/idp/SSO.saml2`
export const sloUrl = `${authorityUrl}/idp/SLO.saml2`
export const sloSoapUrl = `${authorityUrl}/idp/SLO.ssaml2`

/** A service provider as the other side of the wire: writes and reads messages with keys of its own. */
export interface Partner {
  readonly id: string
  readonly entityId: string
  readonly acsUrl: string
  readonly settings: ConnectionSettings
  readonly pair: KeyPair
  readonly signing: SigningKey
  authnRequest(change?: Partial<AuthnRequest>): AuthnRequest
  /** Address that carries a signed AuthnRequest. */
  ssoRedirect(change?: Partial<AuthnRequest>, relayState?: string): Promise<string>
  /** Reads the Response from the page that carries it by POST. */
  readResponse(page: string): { readonly response: Verified<Response>; readonly action: string; readonly relayState: string | undefined }
  logoutRequest(subject: NameID, sessionIndexes: readonly string[], change?: Partial<LogoutRequest>): LogoutRequest
  logoutRedirect(request: LogoutRequest, relayState?: string): Promise<string>
  logoutPost(request: LogoutRequest, relayState?: string): Promise<Readonly<Record<string, string>>>
  logoutSoap(request: LogoutRequest): Promise<string>
  readLogoutRequest(url: string): Verified<LogoutRequest>
  logoutAnswer(request: LogoutRequest, answer?: Status): Promise<string>
  readLogoutResponse(url: string): ReturnType<typeof verifyLogoutResponse>
  readSoapResponse(body: string): ReturnType<typeof verifyLogoutResponse>
  /** Answers a LogoutRequest that came by SOAP. */
  soapAnswer(body: string | Uint8Array, answer?: Status): Promise<string>
}

let serial = 0
function nextId(): string {
  serial += 1
  return `_sp${serial.toString(16).padStart(38, '0')}`
}

export async function createPartner(id: string, clock: Clock, authority: KeyPair, settings: Partial<ConnectionSettings> = {}): Promise<Partner> {
  const pair = makeKeyPair(id)
  const origin = `http://${id}.test`
  const entityId = settings.entityId ?? `${origin}/saml`
  const acsUrl = `${origin}/acs`
  const signing: SigningKey = { key: pair.key, algorithm: 'ecdsa-sha256' }
  const authorityKeys: PeerKeys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authority.certificate)] }
  const now = (): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(clock.nowMs())
  const authnRequest = (change: Partial<AuthnRequest> = {}): AuthnRequest => ({
    kind: 'AuthnRequest',
    id: nextId(),
    issuer: entityId,
    issueInstant: now(),
    destination: ssoUrl,
    forceAuthn: false,
    isPassive: false,
    ...change
  })
  return {
    id,
    entityId,
    acsUrl,
    pair,
    signing,
    settings: {
      id,
      name: id[0]?.toUpperCase() + id.slice(1),
      homeUrl: `${origin}/`,
      entityId,
      acs: [{ binding: 'post', url: acsUrl, index: 0, default: true }],
      slo: [{ binding: 'redirect', url: `${origin}/slo` }],
      nameId: { format: 'persistent' },
      attributes: { mail: 'mail' },
      ...settings
    },
    authnRequest,
    ssoRedirect: (change, relayState) => {
      const parts = serialiseAuthnRequest(authnRequest(change))
      return encodeRedirect(ssoUrl, { parameter: 'SAMLRequest', xml: parts.head + parts.tail, ...(relayState === undefined ? {} : { relayState }) }, signing)
    },
    readResponse: (page) => {
      const { action, fields } = formOf(page)
      return { response: verifyResponse(decodePost(Object.entries(fields)), authorityKeys), action, relayState: fields['RelayState'] }
    },
    logoutRequest: (subject, sessionIndexes, change = {}) => ({
      kind: 'LogoutRequest',
      id: nextId(),
      issuer: entityId,
      issueInstant: now(),
      destination: sloUrl,
      notOnOrAfter: now().add({ minutes: 5 }),
      subject,
      sessionIndexes,
      asynchronous: false,
      ...change
    }),
    logoutRedirect: (request, relayState) => {
      const parts = serialiseLogoutRequest(request)
      return encodeRedirect(sloUrl, { parameter: 'SAMLRequest', xml: parts.head + parts.tail, ...(relayState === undefined ? {} : { relayState }) }, signing)
    },
    logoutPost: async (request, relayState) =>
      encodePost(await signMessage(serialiseLogoutRequest(request), signing), { parameter: 'SAMLRequest', ...(relayState === undefined ? {} : { relayState }) })
        .fields,
    logoutSoap: async (request) => encodeSoap(await signMessage(serialiseLogoutRequest(request), signing)),
    readLogoutRequest: (url) => verifyLogoutRequest(decodeRedirect(url.slice(url.indexOf('?') + 1)), authorityKeys),
    logoutAnswer: (request, answer = status.success()) => {
      const parts = serialiseLogoutResponse({
        kind: 'LogoutResponse',
        id: nextId(),
        issuer: entityId,
        issueInstant: now(),
        destination: sloUrl,
        inResponseTo: request.id,
        status: answer
      })
      return encodeRedirect(sloUrl, { parameter: 'SAMLResponse', xml: parts.head + parts.tail }, signing)
    },
    readSoapResponse: (body) => verifyLogoutResponse(decodeSoap(Buffer.from(body)), authorityKeys),
    soapAnswer: async (body, answer = status.success()) => {
      const request = verifyLogoutRequest(decodeSoap(Buffer.from(body)), authorityKeys)
      const parts = serialiseLogoutResponse({
        kind: 'LogoutResponse',
        id: nextId(),
        issuer: entityId,
        issueInstant: now(),
        inResponseTo: request.id,
        status: answer
      })
      return encodeSoap(await signMessage(parts, signing))
    },
    readLogoutResponse: (url) => verifyLogoutResponse(decodeRedirect(url.slice(url.indexOf('?') + 1)), authorityKeys)
  }
}
