import {
  artifactUrl,
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodePost,
  encodeRedirect,
  encodeSoap,
  type LogoutRequest,
  type PeerKeys,
  type Received,
  type SignableParts,
  type SigningKey,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signMessage,
  type Status,
  status,
  statusUri,
  verificationKeyFromCertificate,
  verifyLogoutRequest,
  verifyLogoutResponse
} from '@curfew/codecs'
import type { Clock } from '../../src/platform/clock.ts'
import { type ArtifactPeer, createArtifactPeer, type FrontBinding } from '../authority/artifact-peer.ts'
import { type KeyPair, makeKeyPair } from '../authority/key-pairs.ts'
import { authorityPair, type Kit } from '../authority/kit.ts'
import { authorityUrl } from '../authority/partner.ts'
import type { Behaviour } from './behaviour.ts'
import type { Journal, KeptSession } from './journal.ts'
import { beSlow } from './slowness.ts'
import { formOfRequest, formTo, page, sendTo, type WebAnswer, type WebRequest } from './web.ts'

/** Status of a LogoutResponse in one word. */
export type Said = 'Success' | 'PartialLogout' | 'other'

/** One side of single logout, as every SAML partner has it, in either role. */
export interface SamlVoice {
  readonly artifacts: ArtifactPeer
  /** Statuses of the answers to requests of its own, by cookie of the session. */
  readonly answers: Map<string, Said>
  /** A LogoutRequest or LogoutResponse that came through the browser. */
  arrived(request: WebRequest): Promise<WebAnswer>
  /** A LogoutRequest by SOAP. */
  asked(request: WebRequest): Promise<WebAnswer>
  /** Sends the browser to the authority with a LogoutRequest of its own. */
  startThrough(binding: FrontBinding, session: KeptSession, destination: string): Promise<WebAnswer>
  /** The same by SOAP: the status that comes back. */
  startBySoap(session: KeptSession): Promise<Said>
}

export interface VoiceParts {
  readonly entityId: string
  readonly pair: KeyPair
  readonly clock: Clock
  readonly journal: Journal
  readonly behaviour: Behaviour
  /** Address of somebody who has nothing to do with it. */
  readonly elsewhere: string
  /** Where the authority takes logout messages of this role. */
  readonly at: { readonly front: string; readonly soap: string; readonly artifacts: string }
  logoutRequest(session: KeptSession, destination: string): LogoutRequest
  kit(): Kit
}

const authority: PeerKeys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificate)] }
const stranger: SigningKey = { key: makeKeyPair('stranger').key, algorithm: 'ecdsa-sha256' }

let serial = 0

export function createSamlVoice(parts: VoiceParts): SamlVoice {
  const { entityId, pair, clock, journal, behaviour } = parts
  const signing: SigningKey = { key: pair.key, algorithm: 'ecdsa-sha256' }
  const artifacts = createArtifactPeer({ entityId, pair }, clock, authorityPair)
  const answers = new Map<string, Said>()
  const asking = new Map<string, string>()
  const now = (): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(clock.nowMs())

  async function say(binding: FrontBinding, to: string, parameter: 'SAMLRequest' | 'SAMLResponse', xml: SignableParts, key = signing): Promise<WebAnswer> {
    if (binding === 'redirect') return sendTo(await encodeRedirect(to, { parameter, xml: xml.head + xml.tail }, key))
    const signed = await signMessage(xml, key)
    return binding === 'post' ? formTo(to, encodePost(signed, { parameter }).fields) : sendTo(artifactUrl(to, artifacts.put(signed)))
  }

  async function receivedFrom(request: WebRequest): Promise<Received> {
    const artifact = formOfRequest(request).get('SAMLart')
    if (artifact !== null) return artifacts.resolve(parts.kit().app, parts.at.artifacts, artifact)
    return request.method === 'POST' ? decodePost([...formOfRequest(request)]) : decodeRedirect(request.url.search.slice(1))
  }

  /** Ends what the request names, unless the behaviour is not to; what the participant says of it. */
  function end(message: LogoutRequest, way: string): Status {
    const session = journal.byIndex(message.sessionIndexes[0] ?? '')
    session?.heard.push(way)
    if (behaviour === 'wrong status') return status.responder(statusUri.requestDenied)
    if (session?.isLive !== true) return status.requester(statusUri.unknownPrincipal)
    session.isLive = false
    if (behaviour !== 'partial logout of its own') return status.success()
    session.livesBehind = true
    return status.partialLogout()
  }

  function response(message: LogoutRequest, said: Status, destination: string | undefined): SignableParts {
    serial += 1
    return serialiseLogoutResponse({
      kind: 'LogoutResponse',
      id: `_answer${serial.toString(16).padStart(33, '0')}`,
      issuer: entityId,
      issueInstant: now(),
      inResponseTo: behaviour === 'wrong InResponseTo' ? '_somebody-elses-request' : message.id,
      status: said,
      ...(destination === undefined ? {} : { destination })
    })
  }

  const key = (): SigningKey => (behaviour === 'wrong signature' ? stranger : signing)

  async function slowly(): Promise<void> {
    if (behaviour === 'too slow') await beSlow(clock)
  }

  /** What it does with whatever comes. */
  function broken(): Promise<WebAnswer> | undefined {
    if (behaviour === 'hangs') return new Promise(() => undefined)
    return behaviour === 'answers 500' ? Promise.resolve({ ...page('It broke'), status: 500 }) : undefined
  }

  /** What it does with a message before it is a question of SAML. */
  async function unlike(): Promise<WebAnswer | undefined> {
    if (behaviour === 'redirects elsewhere') return sendTo(parts.elsewhere)
    if (behaviour === 'never returns the browser') return page('This is where it ends')
    await slowly()
    return undefined
  }

  async function logoutRequested(received: Received): Promise<WebAnswer> {
    const strange = await unlike()
    if (strange !== undefined) return strange
    const message = verifyLogoutRequest(received, authority)
    const said = end(message, received.binding)
    const { binding } = received
    const other: FrontBinding = binding === 'redirect' ? 'post' : 'redirect'
    if (behaviour === 'answers twice') await sayItself(message, said)
    const chosen = behaviour === 'answers over another binding' ? other : (binding as FrontBinding)
    return say(chosen, parts.at.front, 'SAMLResponse', response(message, said, parts.at.front), key())
  }

  /** The same answer by its own server, at the address for browsers. */
  async function sayItself(message: LogoutRequest, said: Status): Promise<void> {
    const { fields } = encodePost(await signMessage(response(message, said, parts.at.front), key()), { parameter: 'SAMLResponse' })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    await parts.kit().app.inject({ method: 'POST', url: new URL(parts.at.front).pathname, headers, payload: new URLSearchParams(fields).toString() })
  }

  function wordOf(message: ReturnType<typeof verifyLogoutResponse>): Said {
    if (status.isPartialLogout(message.status)) return 'PartialLogout'
    return status.isSuccess(message.status) ? 'Success' : 'other'
  }

  return {
    artifacts,
    answers,
    async arrived(request) {
      const strange = broken()
      if (strange !== undefined) return strange
      const received = await receivedFrom(request)
      if (received.kind === 'LogoutRequest') return logoutRequested(received)
      const message = verifyLogoutResponse(received, authority)
      answers.set(asking.get(message.inResponseTo ?? '') ?? '', wordOf(message))
      return page('Signed out')
    },
    async asked(request) {
      const strange = await (broken() ?? unlike())
      if (strange !== undefined) return strange
      const message = verifyLogoutRequest(decodeSoap(request.body), authority)
      const said = end(message, 'soap')
      if (behaviour === 'answers twice' || behaviour === 'answers over another binding') await sayItself(message, said)
      if (behaviour === 'answers over another binding') return { status: 204 }
      const body = encodeSoap(await signMessage(response(message, said, undefined), key()))
      return { status: 200, headers: { 'content-type': 'text/xml' }, body }
    },
    async startThrough(binding, session, destination) {
      session.isLive = false
      const message = parts.logoutRequest(session, destination)
      asking.set(message.id, session.cookie)
      return say(binding, destination, 'SAMLRequest', serialiseLogoutRequest(message))
    },
    async startBySoap(session) {
      session.isLive = false
      const message = parts.logoutRequest(session, parts.at.soap)
      const payload = encodeSoap(await signMessage(serialiseLogoutRequest(message), signing))
      const url = new URL(parts.at.soap).pathname
      const answer = await parts.kit().app.inject({ method: 'POST', url, headers: { 'content-type': 'text/xml' }, payload })
      const said = wordOf(verifyLogoutResponse(decodeSoap(answer.rawPayload), authority))
      answers.set(session.cookie, said)
      return said
    }
  }
}
