import { generateKeyPairSync } from 'node:crypto'
import {
  bearerMethod,
  bindingUri,
  certificateBase64,
  decodeRedirect,
  encodeSoap,
  type LogoutRequest,
  nameIdFormat,
  serialiseAssertion,
  serialiseLogoutRequest,
  serialiseMetadata,
  serialiseResponse,
  type SigningKey,
  signEnvelopedSync,
  status,
  verificationKeyFromCertificate,
  verifyAuthnRequest
} from '@curfew/codecs'
import { createSelfSigned } from '../../curfew/src/platform/certificate.ts'
import { systemRandom } from '../../curfew/src/platform/random.ts'
import { createPrivateKey } from 'node:crypto'
import {
  createMemorySessionRegistry,
  createServiceProvider,
  type GuardEvent,
  type GuardRequest,
  type GuardResponse,
  type RegistryLimits,
  type ServiceProvider,
  type ServiceProviderOptions,
  type SessionRegistry
} from '../src/index.ts'

/** An identity provider in a few lines, and a service provider that trusts it. */
export interface Stage {
  readonly provider: ServiceProvider
  readonly registry: SessionRegistry
  readonly events: GuardEvent[]
  readonly idp: SigningKey
  nowMs: number
  /** A Response for the pending request, or an unsolicited one. */
  response(more?: {
    readonly inResponseTo?: string
    readonly id?: string
    readonly signing?: SigningKey
    readonly sessionIndex?: string
    /** IssueInstant of the assertion; absent: now. */
    readonly issuedAtMs?: number
    /** Who signed in at the provider; absent: ana. */
    readonly user?: string
    /** The Response is signed, too, and is sent to this address. Absent: not signed, and to the application. */
    readonly around?: { readonly destination?: string }
  }): string
  logoutRequest(more?: Partial<LogoutRequest>): LogoutRequest
  soap(request: LogoutRequest): string
}

export const idpEntity = 'https://idp.example'
export const app = 'https://app.example'
const idpPair = await createSelfSigned('idp', { fromMs: Date.now(), days: 30 }, systemRandom)
const appPair = await createSelfSigned('app', { fromMs: Date.now(), days: 30 }, systemRandom)

/**
 * @param sessions - the registry, or limits of one in memory
 * @param startMs - a registry on a server has the time of that
 * @param validUntil - of the metadata of the provider; absent: it sets no end
 */
export function createStage(
  sessions: SessionRegistry | Partial<RegistryLimits> = {},
  startMs = Date.parse('2026-03-01T09:00:00Z'),
  more: Partial<ServiceProviderOptions> = {},
  validUntil?: Temporal.Instant
): Stage {
  const registry = 'open' in sessions ? sessions : createMemorySessionRegistry(sessions)
  const events: GuardEvent[] = []
  const idp: SigningKey = { key: createPrivateKey(idpPair.keyPem), algorithm: 'rsa-sha256' }
  const stage = { nowMs: startMs }
  const metadata = serialiseMetadata({
    id: '_m',
    entityId: idpEntity,
    ...(validUntil === undefined ? {} : { validUntil }),
    idp: {
      keys: [{ use: 'signing', certificates: [certificateBase64(idpPair.certificatePem)] }],
      nameIdFormats: [],
      wantAuthnRequestsSigned: true,
      singleSignOnServices: [{ binding: bindingUri('redirect'), location: `${idpEntity}/sso` }],
      singleLogoutServices: [{ binding: bindingUri('redirect'), location: `${idpEntity}/slo`, responseLocation: `${idpEntity}/slo/done` }]
    }
  })
  const provider = createServiceProvider({
    entityId: `${app}/saml/metadata`,
    baseUrl: app,
    identityProviderMetadata: Buffer.from(metadata.head + metadata.tail),
    key: createPrivateKey(appPair.keyPem),
    certificate: appPair.certificatePem,
    sessions: registry,
    nowMs: () => stage.nowMs,
    randomBytes: (count) => systemRandom.bytes(count),
    onEvent: (event) => events.push(event),
    ...more
  })
  // The password was typed once, before anything else.
  const authnInstant = Temporal.Instant.fromEpochMilliseconds(stage.nowMs)
  const now = (): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(stage.nowMs)
  return Object.assign(stage, {
    provider,
    registry,
    events,
    idp,
    response: ({
      inResponseTo,
      id = '_assertion1',
      signing = idp,
      sessionIndex = 'index-1',
      issuedAtMs = stage.nowMs,
      user = 'ana',
      around
    }: Parameters<Stage['response']>[0] = {}) => {
      const until = now().add({ minutes: 5 })
      const to = inResponseTo === undefined ? {} : { inResponseTo }
      const assertion = signEnvelopedSync(
        serialiseAssertion({
          id,
          issuer: idpEntity,
          issueInstant: Temporal.Instant.fromEpochMilliseconds(issuedAtMs),
          subject: {
            nameId: { value: user, format: nameIdFormat.persistent },
            confirmations: [{ method: bearerMethod, recipient: `${app}/saml/acs`, notOnOrAfter: until, ...to }]
          },
          conditions: { notOnOrAfter: until, audienceRestrictions: [[`${app}/saml/metadata`]] },
          authnStatement: { authnInstant, sessionIndex, classRef: 'urn:x' },
          attributes: [{ name: 'mail', values: ['ana@example.com'] }]
        }),
        signing
      )
      const parts = serialiseResponse(
        {
          kind: 'Response',
          id: `${id}r`,
          issuer: idpEntity,
          issueInstant: now(),
          ...(around ?? { destination: `${app}/saml/acs` }),
          status: status.success(),
          ...to
        },
        assertion
      )
      return around === undefined ? parts.head + parts.tail : signEnvelopedSync(parts, signing)
    },
    logoutRequest: (more: Partial<LogoutRequest> = {}): LogoutRequest => ({
      kind: 'LogoutRequest',
      id: '_logout1',
      issuer: idpEntity,
      issueInstant: now(),
      destination: `${app}/saml/slo/soap`,
      notOnOrAfter: now().add({ minutes: 5 }),
      subject: { value: 'ana', format: nameIdFormat.persistent },
      sessionIndexes: ['index-1'],
      asynchronous: false,
      ...more
    }),
    soap: (request: LogoutRequest) => encodeSoap(signEnvelopedSync(serialiseLogoutRequest(request), idp))
  })
}

export const foreignKey: SigningKey = { key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, algorithm: 'rsa-sha256' }

export function request(
  method: string,
  target: string,
  more: { readonly cookie?: string; readonly body?: string; readonly origin?: string; readonly fetchSite?: string } = {}
): GuardRequest {
  return { method, target, cookie: more.cookie, origin: more.origin, fetchSite: more.fetchSite, readBody: async () => Buffer.from(more.body ?? '') }
}

/** Value of `name=...` of the first Set-Cookie header. */
export function cookieOf(headers: Readonly<Record<string, string | readonly string[]>> | undefined): string {
  return [headers?.['set-cookie'] ?? []].flat()[0]?.split(';')[0] ?? ''
}

/** Id of the AuthnRequest in a redirect to the identity provider, verified as the provider would. */
export function requestId(location: string): string {
  const received = decodeRedirect(location.slice(location.indexOf('?') + 1))
  const keys = [verificationKeyFromCertificate(appPair.certificatePem)]
  return verifyAuthnRequest(received, { entityId: `${app}/saml/metadata`, keys }, { signature: 'required' }).id
}

/** What a browser holds that has begun a sign-in: its cookie, and the request that the provider got. */
export interface Begun {
  readonly cookie: string
  readonly inResponseTo: string
}

export async function beginSignIn(stage: Stage, to = '/salary?month=2', cookie?: string): Promise<Begun> {
  const start = await stage.provider.handle(request('GET', stage.provider.loginPath(to), cookie === undefined ? {} : { cookie }))
  return begunBy(start)
}

/** The same of an answer that sends a browser to the identity provider. */
export function begunBy(answer: GuardResponse | undefined): Begun {
  return { cookie: cookieOf(answer?.headers), inResponseTo: requestId(String(answer?.headers['location'])) }
}

/** A form of the identity provider, which comes without cookies; the same site may send them. */
export function postResponse(
  stage: Stage,
  xml: string,
  more: { readonly cookie?: string; readonly relayState?: string } = {}
): Promise<GuardResponse | undefined> {
  const { cookie, relayState } = more
  const fields = { SAMLResponse: Buffer.from(xml).toString('base64'), ...(relayState === undefined ? {} : { RelayState: relayState }) }
  return stage.provider.handle(request('POST', '/saml/acs', { body: new URLSearchParams(fields).toString(), ...(cookie === undefined ? {} : { cookie }) }))
}

/** Posts the answer to a request and follows, as a browser with that cookie; what it is told last. */
export async function bringAnswer(
  stage: Stage,
  { cookie, inResponseTo }: Begun,
  more: Parameters<Stage['response']>[0] = {}
): Promise<GuardResponse | undefined> {
  const posted = await postResponse(stage, stage.response({ inResponseTo, id: `_a${inResponseTo.slice(1, 9)}`, ...more }))
  const location = String(posted?.headers['location'] ?? '')
  return location.startsWith('/saml/acs?') ? stage.provider.handle(request('GET', location, { cookie })) : posted
}

/** Signs ana in; returns the cookie of her session, none where it was refused. */
export async function signIn(stage: Stage, to?: string): Promise<{ readonly cookie: string; readonly location: string }> {
  const answer = await bringAnswer(stage, await beginSignIn(stage, to))
  return { cookie: cookieOf(answer?.headers), location: String(answer?.headers['location']) }
}
