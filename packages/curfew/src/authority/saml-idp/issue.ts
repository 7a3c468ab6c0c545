import {
  type Assertion,
  artifactUrl,
  bearerMethod,
  CurfewError,
  encodePost,
  encryptAssertion,
  type NameID,
  nameIdFormat,
  sameNameId,
  type Status,
  serialiseAssertion,
  serialiseResponse,
  signMessage,
  status,
  statusUri
} from '@curfew/codecs'
import { participantsPerSessionMax } from '../../core/limits.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import type { BrowserInstruction } from '../../engine/sender.ts'
import type { AuthorityContext } from '../context.ts'
import type { SamlConnection } from '../saml/connection.ts'
import { assertionSeal, nameIdSeal } from '../saml/encryption.ts'
import { instant } from '../saml/endpoints.ts'
import { participantIdOf } from '../saml/participant-id.ts'
import { chooseFormat, nameIdFor } from './name-id.ts'
import type { SsoWish } from './sso-transaction.ts'

/** One sign-in to one partner. */
export interface Issue {
  readonly connection: SamlConnection
  readonly wish: SsoWish
  readonly session: Session
  /** When the user proved who it is. */
  readonly authenticatedAtMs: number
}

/**
 * Issues an assertion: records the participant, waits for the store to keep it, and only then makes the Response.
 * What leaves here is known to every later logout, whatever happens in between.
 * @throws CURFEW_SAML_SESSION_ENDED when a logout came first
 * @throws CURFEW_SAML_NAMEID_ATTRIBUTE
 */
export async function issueResponse(ctx: AuthorityContext, issue: Issue): Promise<BrowserInstruction> {
  const { connection, wish, session } = issue
  const format = chooseFormat(connection, wish.nameIdFormat)
  if (format === undefined) return errorResponse(ctx, connection, wish, status.requester(statusUri.invalidNameIdPolicy))
  const nameId = nameIdFor(ctx, connection, session, format)
  // Core 3.4.1.4: who was asked for, or nobody. The user here is somebody else, whoever that is.
  if (!isMeant(ctx, issue, nameId)) return errorResponse(ctx, connection, wish, status.responder(statusUri.unknownPrincipal))
  const nowMs = ctx.clock.nowMs()
  const participant = participantOf(ctx, issue, nameId, nowMs)
  await record(ctx, session, participant)
  const assertion = await signedAssertion(ctx, connection, assertionOf(ctx, issue, participant, nowMs))
  ctx.metrics.assertionsIssued.inc({ peer: connection.id })
  ctx.logger.info({ event: 'assertion.issued', connection: connection.id, session: session.id }, `Assertion issued to ${connection.id}`)
  return respond(ctx, connection, wish, status.success(), assertion)
}

/** Whether this is who the partner asked for. A name without a format of its own is one of the format that it is issued in here. */
function isMeant(ctx: AuthorityContext, { connection, wish: { subject } }: Issue, issued: NameID): boolean {
  if (subject === undefined) return true
  const isOpen = subject.format === undefined || subject.format === nameIdFormat.unspecified
  const { format } = isOpen ? issued : subject
  return sameNameId({ ...subject, ...(format === undefined ? {} : { format }) }, issued, ctx.saml.entityId, connection.entityId)
}

/** Signed first, then encrypted: whoever reads it can show what was said. What is hidden as a whole is not hidden twice. */
async function signedAssertion(ctx: AuthorityContext, connection: SamlConnection, assertion: Assertion): Promise<string> {
  const seal = assertionSeal(connection, ctx.random)
  const signed = await signMessage(serialiseAssertion(assertion, seal === undefined ? nameIdSeal(connection, ctx.random) : undefined), connection.signing)
  return seal === undefined ? signed : encryptAssertion(signed, seal)
}

/** A Response without assertion: tells the partner why the user was not signed in. */
export function errorResponse(ctx: AuthorityContext, connection: SamlConnection, wish: SsoWish, failure: Status): Promise<BrowserInstruction> {
  return respond(ctx, connection, wish, failure, undefined)
}

function participantOf(ctx: AuthorityContext, issue: Issue, nameId: NameID, nowMs: number): Participant {
  const { connection, session, wish } = issue
  return {
    id: participantIdOf(connection.id, nameId),
    peerId: connection.id,
    role: 'application',
    protocol: 'saml',
    nameId,
    sessionIndex: ctx.locator.seal(connection.entityId, session.id),
    addedAtMs: nowMs,
    lastIssuedAtMs: nowMs,
    assertionNotOnOrAfterMs: assertionEnd(ctx, session, nowMs),
    consumerUrl: wish.consumerUrl
  }
}

async function record(ctx: AuthorityContext, session: Session, participant: Participant): Promise<void> {
  const known = await ctx.store.getParticipants(session.id)
  // A session that is full takes no further application; none that is in it is forgotten to make room.
  if (known.length >= participantsPerSessionMax && known.every(({ id }) => id !== participant.id)) {
    throw new CurfewError('CURFEW_SESSION_PARTICIPANTS_FULL', { session: session.id, maximum: participantsPerSessionMax })
  }
  const { value } = await ctx.store.addParticipant(session.id, participant)
  if (value === 'ended' || value === 'unknown') throw new CurfewError('CURFEW_SAML_SESSION_ENDED', { session: session.id })
  await ctx.store.appendAudit({
    atMs: participant.lastIssuedAtMs,
    event: 'assertion.issued',
    actor: { kind: 'user', id: session.username },
    userKey: session.userKey,
    sessionId: session.id,
    peerId: participant.peerId
  })
}

/** An assertion never outlives the session that it speaks of. */
function assertionEnd(ctx: AuthorityContext, session: Session, nowMs: number): number {
  return Math.min(nowMs + ctx.saml.assertionMinutes * 60_000, session.expiresAtMs)
}

function assertionOf(ctx: AuthorityContext, issue: Issue, participant: Participant, nowMs: number): Assertion {
  const { connection, wish, session } = issue
  const end = instant(participant.assertionNotOnOrAfterMs)
  const isEndless = session.expiresAtMs === Number.MAX_SAFE_INTEGER
  return {
    id: ctx.ids.message(),
    issuer: ctx.saml.entityId,
    issueInstant: instant(nowMs),
    subject: {
      nameId: participant.nameId,
      confirmations: [
        { method: bearerMethod, recipient: wish.consumerUrl, notOnOrAfter: end, ...(wish.requestId === undefined ? {} : { inResponseTo: wish.requestId }) }
      ]
    },
    conditions: { notBefore: instant(nowMs - ctx.saml.clockSkewSeconds * 1000), notOnOrAfter: end, audienceRestrictions: [[connection.entityId]] },
    authnStatement: {
      authnInstant: instant(issue.authenticatedAtMs),
      sessionIndex: participant.sessionIndex,
      classRef: session.authnContext,
      ...(isEndless ? {} : { sessionNotOnOrAfter: instant(session.expiresAtMs) })
    },
    attributes: attributesOf(connection, session)
  }
}

/** Name format of attributes whose names are plain words. */
const basicNames = 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic'
const uriNames = 'urn:oasis:names:tc:SAML:2.0:attrname-format:uri'

function attributesOf(connection: SamlConnection, session: Session): Assertion['attributes'] {
  return Object.entries(connection.attributes).flatMap(([name, own]) => {
    const values = ownValues(session, own)
    return values.length === 0 ? [] : [{ name, nameFormat: /^(urn:|https?:)/.test(name) ? uriNames : basicNames, values }]
  })
}

/** An attribute of the user, or what only the session knows: the name, and the SRI for an application that follows the revocation feed. */
function ownValues(session: Session, own: string): readonly string[] {
  if (own === 'username') return [session.username]
  return own === 'pi.sri' ? [session.sri] : (session.attributes[own] ?? [])
}

async function respond(
  ctx: AuthorityContext,
  connection: SamlConnection,
  wish: SsoWish,
  result: Status,
  assertion: string | undefined
): Promise<BrowserInstruction> {
  const parts = serialiseResponse(
    {
      kind: 'Response',
      id: ctx.ids.message(),
      issuer: ctx.saml.entityId,
      issueInstant: instant(ctx.clock.nowMs()),
      destination: wish.consumerUrl,
      status: result,
      ...(wish.requestId === undefined ? {} : { inResponseTo: wish.requestId })
    },
    assertion
  )
  // An error has no assertion that could carry the signature.
  const isSigned = connection.signResponse || assertion === undefined
  const xml = isSigned ? await signMessage(parts, connection.signing) : parts.head + parts.tail
  const relay = wish.relayState === undefined ? {} : { relayState: wish.relayState }
  if (wish.consumerBinding === 'artifact')
    return { method: 'redirect', url: artifactUrl(wish.consumerUrl, await ctx.artifacts.put(connection.id, xml), wish.relayState) }
  const { fields } = encodePost(xml, { parameter: 'SAMLResponse', ...relay })
  return { method: 'post', url: wish.consumerUrl, fields }
}

/** Formats that metadata offers, the stable one first. */
export const offeredFormats: readonly string[] = [nameIdFormat.persistent, nameIdFormat.transient, nameIdFormat.emailAddress, nameIdFormat.unspecified]
