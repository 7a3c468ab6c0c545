import type { VerifyPolicy } from '../dsig/algorithms.ts'
import { type SignedView, signatureOf, verifyEnveloped } from '../dsig/enveloped.ts'
import type { VerificationKey } from '../dsig/keys.ts'
import { sha256Hex, verifyBytes } from '../dsig/sign.ts'
import { CurfewError, isCurfewError } from '../errors.ts'
import { childElements, is, type XmlDocument, type XmlElement } from '../xml/element.ts'
import { openerFor } from '../xmlenc/decrypt.ts'
import type { Decryption } from '../xmlenc/keys.ts'
import { readAssertion } from './assertion.ts'
import { type AuthnRequest, readAuthnRequest } from './authn-request.ts'
import { type LogoutRequest, readLogoutRequest } from './logout-request.ts'
import { type LogoutResponse, readLogoutResponse } from './logout-response.ts'
import { type Binding, ns } from './names.ts'
import { type ArtifactResolve, readArtifactResolve } from './artifact-resolve.ts'
import { readArtifactResponse } from './artifact-response.ts'
import { content, type MessageKind, type Received, receivedFrom } from './received.ts'
import { status } from './status.ts'
import { readResponse, type Response } from './response.ts'
import { requireUncovered } from './uncovered.ts'

/** What verification found out about a message. */
export interface Proof {
  /** Entity ID of the partner whose keys proved it. */
  readonly peer: string
  readonly binding: Binding
  /** Fingerprint of the key; absent only for an AuthnRequest that need not be signed. */
  readonly signedBy?: string
  readonly algorithm?: string
  /** What is signed. `assertion`: the Response around it proves nothing. Absent where nothing is. */
  readonly covers?: 'message' | 'assertion'
  /** SHA-256 (hex) of the octets that the signature covers. */
  readonly messageHash: string
}

/** The proof of a query. Only answers end in a receipt: a request need not pay for the hash. */
class QueryProof implements Proof {
  readonly peer: string
  readonly binding = 'redirect'
  readonly covers = 'message'
  readonly signedBy: string
  readonly algorithm: string
  readonly #octets: string

  constructor(peer: string, signedBy: string, algorithm: string, octets: string) {
    this.peer = peer
    this.signedBy = signedBy
    this.algorithm = algorithm
    this.#octets = octets
  }

  get messageHash(): string {
    return sha256Hex(this.#octets)
  }
}

declare const proved: unique symbol
/** A message that came from its partner unchanged. Only the `verify...` functions of this file make one. */
export type Verified<M> = M & { readonly [proved]: Proof }

class Itself {
  // The object it is called with is the one that the field below goes to.
  constructor(message: object) {
    return message
  }
}

/**
 * Puts the proof on the message itself, where no other code can read, write or copy it: `{ ...message }` has none.
 * A WeakMap would do the same, at a tenth of the whole verification in garbage collection.
 */
class Sealed extends Itself {
  readonly #proof: Proof

  constructor(message: object, proof: Proof) {
    super(message)
    this.#proof = proof
  }

  static proofOf(message: object): Proof | undefined {
    return #proof in message ? message.#proof : undefined
  }
}

export function proofOf(message: Verified<object>): Proof {
  const proof = Sealed.proofOf(message)
  if (proof === undefined) throw new TypeError('only verify functions make verified messages')
  return proof
}

/** A partner's identity and keys, from its stored metadata. */
export interface PeerKeys {
  readonly entityId: string
  readonly keys: readonly VerificationKey[]
  readonly policy?: VerifyPolicy
  /** Absent: nothing encrypted is accepted. */
  readonly decryption?: Decryption
}

/**
 * Verifies a LogoutRequest; unsigned ones are refused on every binding.
 * @throws CURFEW_SAML_SIGNATURE_MISSING, CURFEW_SAML_SIGNATURE_INVALID, CURFEW_SAML_SIGNER_UNKNOWN,
 *   CURFEW_SAML_ALGORITHM_REFUSED, CURFEW_SAML_ISSUER_WRONG, CURFEW_SAML_STRUCTURE, CURFEW_SAML_ENCRYPTED,
 *   CURFEW_SAML_ENCRYPTION_REFUSED, CURFEW_SAML_DECRYPTION
 */
export function verifyLogoutRequest(received: Received, peer: PeerKeys): Verified<LogoutRequest> {
  const { view, proof } = prove(received, 'LogoutRequest', peer)
  return seal(readLogoutRequest(view, openerFor(peer.decryption, true)), proof, peer)
}

/** Verifies a LogoutResponse, as {@link verifyLogoutRequest}. */
export function verifyLogoutResponse(received: Received, peer: PeerKeys): Verified<LogoutResponse> {
  const { view, proof } = prove(received, 'LogoutResponse', peer)
  return seal(readLogoutResponse(view), proof, peer)
}

/**
 * Verifies an AuthnRequest. With `signature: 'optional'` an unsigned one is accepted, a wrongly signed one never.
 */
export function verifyAuthnRequest(received: Received, peer: PeerKeys, options: { readonly signature: 'required' | 'optional' }): Verified<AuthnRequest> {
  if (!received.isSigned && options.signature === 'optional') {
    requireKind(received, 'AuthnRequest', peer)
    const { element } = received[content]
    return seal(readAuthnRequest(element), { peer: peer.entityId, binding: received.binding, messageHash: sha256Hex(received.claimed.id) }, peer)
  }
  const { view, proof } = prove(received, 'AuthnRequest', peer)
  return seal(readAuthnRequest(view), proof, peer)
}

/**
 * Verifies a Response received by POST or Artifact: the assertion must be signed, or the whole Response; a signature that is
 * there must be good even where the other one would do. Error responses without assertion must be signed themselves.
 * An encrypted assertion is opened first: without a signature on the Response it must carry one itself, inside, or it is
 * refused as one that can not be opened.
 */
export function verifyResponse(received: Received, peer: PeerKeys, options: { readonly wantResponseSigned?: boolean } = {}): Verified<Response> {
  requireKind(received, 'Response', peer)
  if (received.binding !== 'post' && received.binding !== 'artifact') throw new CurfewError('CURFEW_SAML_BINDING_REFUSED', { binding: received.binding })
  const { document, element, carrier } = received[content]
  const own = signatureOf(element) === undefined ? undefined : verifyEnveloped(document, element, peer.keys, peer.policy ?? {})
  // The signature of the answer that an artifact was resolved by covers the Response in it.
  const outer = own ?? carrier?.signed
  if (outer === undefined && options.wantResponseSigned === true) throw new CurfewError('CURFEW_SAML_SIGNATURE_MISSING', { what: 'Response' })
  const { response, assertion: carried } = readResponse(own?.view ?? element)
  if (outer === undefined) requireUncovered(element)
  requireNoNestedMessages(element, carried)
  const plain = carried === undefined ? undefined : opened({ document, element: carried }, peer, outer !== undefined)
  const isHidden = plain !== undefined && plain.element !== carried
  const inner = isHidden && outer === undefined ? hidden(() => insideOf(plain, peer, true)) : insideOf(plain, peer, isHidden)
  const best = inner ?? outer
  if (best === undefined) throw new CurfewError('CURFEW_SAML_SIGNATURE_MISSING', { what: plain === undefined ? 'Response' : 'Assertion' })
  // Without an outer signature only the assertion is proved: the fields around it are used to find it, never trusted more.
  const assertion = plain === undefined ? undefined : readAssertion(inner?.view ?? plain.element, openerFor(peer.decryption, true))
  if (assertion !== undefined && assertion.issuer !== peer.entityId) throw new CurfewError('CURFEW_SAML_ISSUER_WRONG', { expected: peer.entityId })
  return seal(
    { ...response, ...(assertion === undefined ? {} : { assertion }) },
    proofFrom(received, peer, best, outer === undefined ? 'assertion' : 'message'),
    peer
  )
}

interface Located {
  readonly document: XmlDocument
  readonly element: XmlElement
}

/** The assertion itself. One that was encrypted is a document of its own, held to the same rules as any other. */
function opened(carried: Located, peer: PeerKeys, isCovered: boolean): Located {
  if (!is(carried.element, ns.saml, 'EncryptedAssertion')) return carried
  const document = openerFor(peer.decryption, isCovered)(carried.element, { namespace: ns.saml, name: 'Assertion' })
  return { document, element: document.root }
}

/** The signature of an assertion, where it has one. @param isHidden - it was encrypted: nobody has looked for other messages in it yet */
function insideOf(plain: Located | undefined, peer: PeerKeys, isHidden: boolean): SignedView | undefined {
  if (plain === undefined) return undefined
  if (isHidden) requireNoNestedMessages(plain.element, undefined)
  return signatureOf(plain.element) === undefined ? undefined : verifyEnveloped(plain.document, plain.element, peer.keys, peer.policy ?? {})
}

/**
 * What nothing signed surrounds, and was encrypted, is refused as if it could not be opened, until its own signature is
 * right: otherwise the answer would tell anybody whether a cipher text that somebody made up can be read. The log has it.
 * @throws CURFEW_SAML_DECRYPTION
 */
function hidden(find: () => SignedView | undefined): SignedView {
  let found: SignedView | undefined
  let inside = 'CURFEW_SAML_SIGNATURE_MISSING'
  try {
    found = find()
  } catch (error) {
    if (!isCurfewError(error)) throw error
    inside = error.code
  }
  if (found === undefined) throw new CurfewError('CURFEW_SAML_DECRYPTION', { what: 'EncryptedAssertion', inside })
  return found
}

/** Verifies an ArtifactResolve; who asks unsigned is nobody. As {@link verifyLogoutRequest}. */
export function verifyArtifactResolve(received: Received, peer: PeerKeys): Verified<ArtifactResolve> {
  const { view, proof } = prove(received, 'ArtifactResolve', peer)
  return seal(readArtifactResolve(view), proof, peer)
}

/**
 * Opens the answer to an ArtifactResolve: the message in it, for the `verify...` function of its kind, which accepts
 * it from the partner that was asked and from nobody else. Where the answer is signed, and well, the message need not
 * be; an answer without a signature is only the way of a message that has one.
 * @param peer - who was asked: the partner that the SourceID of the artifact names
 * @throws CURFEW_SAML_ARTIFACT_UNRESOLVED when there is no message in it, CURFEW_SAML_IN_RESPONSE_TO,
 *   CURFEW_SAML_ISSUER_WRONG, CURFEW_SAML_STRUCTURE, and those of the signature where there is one
 * @see saml-core-2.0-os section 3.5.3
 */
export function openArtifactResponse(received: Received, peer: PeerKeys, asked: { readonly requestId: string; readonly relayState?: string }): Received {
  requireKind(received, 'ArtifactResponse', peer)
  const { document, element } = received[content]
  const signed = signatureOf(element) === undefined ? undefined : verifyEnveloped(document, element, peer.keys, peer.policy ?? {})
  const { response, message } = readArtifactResponse(signed?.view ?? element)
  if (signed === undefined) requireUncovered(element)
  if (response.issuer !== peer.entityId) throw new CurfewError('CURFEW_SAML_ISSUER_WRONG', { expected: peer.entityId })
  if (response.inResponseTo !== asked.requestId) throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO')
  if (message === undefined || !status.isSuccess(response.status))
    throw new CurfewError('CURFEW_SAML_ARTIFACT_UNRESOLVED', { status: response.status.code.slice(0, 200) })
  const { relayState } = asked
  const carried = receivedFrom(document, message, {
    binding: 'artifact',
    carrier: { peer: peer.entityId, ...(signed === undefined ? {} : { signed }) },
    ...(relayState === undefined ? {} : { relayState })
  })
  if (carried.claimed.issuer !== peer.entityId) throw new CurfewError('CURFEW_SAML_ISSUER_WRONG', { expected: peer.entityId })
  return carried
}

function prove(received: Received, kind: MessageKind, peer: PeerKeys): { readonly view: XmlElement; readonly proof: Proof } {
  requireKind(received, kind, peer)
  const { document, element, query, carrier } = received[content]
  requireNoNestedMessages(element, undefined)
  if (received.binding === 'redirect') {
    if (query === undefined) throw new CurfewError('CURFEW_SAML_SIGNATURE_MISSING')
    const signedBy = verifyBytes(query.octets, query.signature, query.algorithm, peer.keys, peer.policy ?? {})
    const proof = new QueryProof(peer.entityId, signedBy.fingerprint, query.algorithm, query.octets)
    return { view: element, proof }
  }
  // By HTTP Artifact a message need not be signed where the answer around it is; its own signature must be good all the same.
  if (carrier?.signed !== undefined && signatureOf(element) === undefined) return { view: element, proof: proofFrom(received, peer, carrier.signed) }
  const signed = verifyEnveloped(document, element, peer.keys, peer.policy ?? {})
  return { view: signed.view, proof: proofFrom(received, peer, signed) }
}

function proofFrom(received: Received, peer: PeerKeys, signed: SignedView, covers: Proof['covers'] & string = 'message'): Proof {
  return {
    peer: peer.entityId,
    binding: received.binding,
    signedBy: signed.signedBy.fingerprint,
    algorithm: signed.algorithm,
    covers,
    messageHash: signed.canonicalHash
  }
}

/** A message that came for an artifact speaks for nobody but the issuer of that artifact, whoever signed it. */
function requireKind(received: Received, kind: MessageKind, peer: PeerKeys): void {
  if (received.kind !== kind) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: received.kind, expected: kind })
  const carriedBy = received[content].carrier?.peer
  if (received.binding === 'artifact' && carriedBy !== peer.entityId) throw new CurfewError('CURFEW_SAML_ISSUER_WRONG', { expected: carriedBy ?? '' })
}

/** No other message, assertion or signature may hide inside: the tree is walked once, the allowed places are known. */
function requireNoNestedMessages(element: XmlElement, allowedAssertion: XmlElement | undefined): void {
  const queue: XmlElement[] = childElements(element).slice()
  const signature = signatureOf(element)
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    if (at === signature) continue
    const isSignature = at.namespace === ns.ds && at.name === 'Signature'
    const inAllowed = allowedAssertion !== undefined && at.parent?.parent === element && at.parent === allowedAssertion
    const isAssertion = at.namespace === ns.saml && (at.name === 'Assertion' || at.name === 'EncryptedAssertion') && at !== allowedAssertion
    const isMessage = at.namespace === ns.samlp && messageNames.has(at.name)
    if (isAssertion || isMessage || (isSignature && !inAllowed)) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: `a nested ${at.name}` })
    if (isSignature) continue
    for (const child of at.children) if (typeof child !== 'string') queue.push(child)
  }
}

const messageNames = new Set([
  'AuthnRequest',
  'Response',
  'LogoutRequest',
  'LogoutResponse',
  'ArtifactResolve',
  'ArtifactResponse',
  'ManageNameIDRequest',
  'NameIDMappingRequest'
])

function seal<M extends { readonly issuer: string }>(message: M, proof: Proof, peer: PeerKeys): Verified<M> {
  if (message.issuer !== peer.entityId) throw new CurfewError('CURFEW_SAML_ISSUER_WRONG', { expected: peer.entityId })
  return Object.freeze(new Sealed(message, Object.freeze(proof))) as unknown as Verified<M>
}
