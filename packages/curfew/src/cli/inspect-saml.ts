import {
  isCurfewError,
  openArtifactResponse,
  type PeerKeys,
  type Received,
  skewSecondsDefault,
  verifyArtifactResolve,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '@curfew/codecs'
import { ownRole, type SamlPartner } from '../authority/saml/connection.ts'
import { judgeDestination, ownAddresses, partnerAddresses, type Recipient } from './inspect-destination.ts'
import type { Judgement } from './inspect-judgement.ts'
import type { InspectedMessage } from './inspect-message.ts'
import { type AskServer, asked, judgeInResponseTo, judgeName, judgeSession } from './inspect-server.ts'
import { partnersOf, type Surroundings } from './inspect-surroundings.ts'
import { judgeTimes } from './inspect-times.ts'

/** A message with what was read of it and where it was sent, if the input tells. */
export interface JudgedMessage extends Omit<InspectedMessage, 'description'> {
  readonly received: Received
  readonly sentTo?: string
}

/**
 * Judges a message as the authority would, in the same order: signature, destination, times, the request it answers,
 * the session it is about.
 * @param surroundings - undefined where there is no configuration
 * @param server - undefined where none is configured; then nothing is asked
 */
export async function judgeMessage(
  message: JudgedMessage,
  surroundings: Surroundings | undefined,
  server: AskServer | undefined,
  nowMs: number
): Promise<readonly Judgement[]> {
  const { received, sentTo, times } = message
  const addressed = { ...received, ...received.claimed, ...(sentTo === undefined ? {} : { sentTo }) }
  return [
    judgeSignature(received, surroundings),
    judgeDestination(addressed, recipientOf(received, surroundings)),
    ...judgeTimes(times, nowMs, surroundings?.skewSeconds ?? skewSecondsDefault),
    ...(await judgeAnswered(received, surroundings, server)),
    ...(await judgeWhose(message, surroundings, server))
  ]
}

/** Checks the signature against the partner of that name, when a configuration is at hand. */
function judgeSignature(received: Received, surroundings: Surroundings | undefined): Judgement {
  const what = 'signature'
  const mayBeInside = received.kind === 'Response' || received.kind === 'ArtifactResponse'
  if (!received.isSigned && !mayBeInside) return { what, verdict: received.kind === 'AuthnRequest' ? 'warn' : 'fail', why: 'there is none' }
  const { issuer } = received.claimed
  const keys = keysOf(surroundings, issuer)
  if (keys === undefined) return { what, verdict: 'unknown', why: keysMissing(issuer, surroundings) }
  try {
    verify(received, keys)
    return { what, verdict: 'ok', why: `made by a key of ${keys.entityId}` }
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return { what, verdict: 'fail', why: `${error.code}: ${error.message}` }
  }
}

function keysMissing(issuer: string | undefined, surroundings: Surroundings | undefined): string {
  const missing = `no configured partner or key is ${issuer ?? 'named'}`
  if (surroundings === undefined) return `${missing}; run it where curfew.yaml is`
  const unread = [...surroundings.unread].map(([id, why]) => `; ${id} was not read: ${why}`)
  return missing + unread.join('')
}

function verify(received: Received, keys: PeerKeys): void {
  switch (received.kind) {
    case 'AuthnRequest':
      verifyAuthnRequest(received, keys, { signature: 'required' })
      return
    case 'LogoutRequest':
      verifyLogoutRequest(received, keys)
      return
    case 'LogoutResponse':
      verifyLogoutResponse(received, keys)
      return
    case 'Response':
      verifyResponse(received, keys)
      return
    case 'ArtifactResolve':
      verifyArtifactResolve(received, keys)
      return
    case 'ArtifactResponse':
      verify(openArtifactResponse(received, keys, { requestId: received.claimed.inResponseTo ?? '' }), keys)
  }
}

/** Keys of a partner or of this authority itself, from the configuration. */
function keysOf(surroundings: Surroundings | undefined, entityId: string | undefined): PeerKeys | undefined {
  if (surroundings === undefined || entityId === undefined) return undefined
  if (entityId === surroundings.entityId) return surroundings.own
  const partners = partnersOf(surroundings, entityId)
  return partners.length === 0 ? undefined : { entityId, keys: partners.flatMap((partner) => partner.verification.keys) }
}

/** Whom a message is for: this authority, or the partner at that address when this authority wrote it. */
function recipientOf(received: Received, surroundings: Surroundings | undefined): Recipient | undefined {
  if (surroundings === undefined) return undefined
  const { issuer } = received.claimed
  if (issuer !== surroundings.entityId) {
    const known = partnersOf(surroundings, issuer).map(ownRole)
    return { name: 'this authority', answersAt: ownAddresses(received, surroundings.baseUrl, known.length === 0 ? ['idp', 'sp'] : known) }
  }
  const partner = addressee(received, surroundings)
  if (partner !== undefined) return { name: partner.id, answersAt: partnerAddresses(received, partner) }
  return { name: 'a partner', answersAt: surroundings.partners.flatMap((one) => partnerAddresses(received, one)) }
}

/** The partner that a message of ours is addressed to. */
function addressee(received: Received, { partners }: Surroundings): SamlPartner | undefined {
  const { destination } = received.claimed
  return destination === undefined ? undefined : partners.find((partner) => partnerAddresses(received, partner).includes(destination))
}

/** Only an answer answers; only requests of ours are in the records. */
async function judgeAnswered(received: Received, surroundings: Surroundings | undefined, server: AskServer | undefined): Promise<readonly Judgement[]> {
  const what = 'InResponseTo'
  const { inResponseTo, issuer } = received.claimed
  if (received.kind !== 'LogoutResponse' && received.kind !== 'Response') return []
  if (inResponseTo === undefined)
    return [received.kind === 'Response' ? { what, verdict: 'ok', why: 'none: it was sent unasked' } : { what, verdict: 'fail', why: 'it names no request' }]
  if (issuer === surroundings?.entityId) return [{ what, verdict: 'unknown', why: 'it answers a request of the partner, who knows it' }]
  if (received.kind === 'Response') return [{ what, verdict: 'unknown', why: 'not asked: a server does not tell which sign-ins are under way' }]
  const [partner] = partnersOf(surroundings, issuer)
  if (partner === undefined) return [{ what, verdict: 'unknown', why: 'not asked: no configured partner sent it' }]
  return [await asked(what, server, (one) => judgeInResponseTo(one, inResponseTo, partner.id))]
}

/** Which session a message is about, as far as configuration and server can tell. */
async function judgeWhose(
  { received, sessionIndexes, nameId }: JudgedMessage,
  surroundings: Surroundings | undefined,
  server: AskServer | undefined
): Promise<readonly Judgement[]> {
  const what = 'session'
  const isOurs = surroundings !== undefined && received.claimed.issuer === surroundings.entityId
  if (received.kind !== 'LogoutRequest' && !(received.kind === 'Response' && isOurs)) return []
  if (nameId === undefined && sessionIndexes.length === 0) return []
  const partner = isOurs ? addressee(received, surroundings) : partnersOf(surroundings, received.claimed.issuer)[0]
  if (surroundings === undefined || partner === undefined) return [{ what, verdict: 'unknown', why: 'not asked: no configured partner belongs to it' }]
  if (sessionIndexes.length === 0 || partner.role === 'idp')
    return nameId === undefined ? [] : [await asked(what, server, (one) => judgeName(one, partner.id, nameId))]
  const { locator } = surroundings
  if (locator === undefined) return [{ what, verdict: 'unknown', why: 'not asked: sessions.secretFile can not be read' }]
  return Promise.all(
    sessionIndexes.map(async (index): Promise<Judgement> => {
      const sessionId = locator.open(partner.entityId, index)
      if (sessionId === undefined) return { what, verdict: 'fail', why: `SessionIndex ${index.slice(0, 60)} was not issued here to ${partner.id}` }
      return asked(what, server, (one) => judgeSession(one, { peer: partner.id, sessionId, nameId }))
    })
  )
}
