import type { KeyObject } from 'node:crypto'
import { CurfewError } from '@curfew/codecs'
import { CompactSign, compactVerify } from 'jose'
import type { DeliveryId, PeerId, RunId, SessionId, UserKey } from '../core/ids.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Delivery, LogoutRun } from '../core/run.ts'
import type { Actor, EndReason } from '../core/session.ts'
import { type Verdict, verdictOf } from '../core/verdict.ts'

/** Signs receipts: a JWS over what a run found out. */
export interface ReceiptSigner {
  sign(run: LogoutRun): Promise<string>
}

export type ReceiptAlgorithm = 'RS256' | 'ES256' | 'ES384'

export interface ReceiptKey {
  readonly key: KeyObject
  readonly algorithm: ReceiptAlgorithm
  /** Names the key for whoever checks the receipt: the fingerprint of its certificate. */
  readonly kid: string
}

/** What a receipt says: who, why, every participant with channel, outcome, proof and times. Times are ISO 8601, UTC. */
export interface Receipt {
  readonly iss: string
  /** Run and its version: a run that was retried or improved has several receipts, the last one counts. */
  readonly jti: string
  readonly iat: number
  readonly run: RunId
  readonly session: SessionId
  readonly sri: string
  readonly user: UserKey
  readonly reason: EndReason
  readonly startedBy: Actor
  readonly startedAt: string
  readonly finishedAt: string | null
  readonly verdict: Verdict['kind']
  /** True for a partial logout: the session went on. */
  readonly partial?: true
  readonly participants: readonly ReceiptLine[]
}

/** No name by which a partner knows the user: a receipt may be handed on. */
export interface ReceiptLine {
  readonly delivery: DeliveryId
  readonly peer: PeerId
  readonly name: string
  /** The line is about a grant that outlives the session. */
  readonly grant?: 'offline'
  /** Kind and binding of the last attempt, such as `server/soap`; null when nothing was sent. */
  readonly channel: string | null
  readonly attempts: number
  readonly firstSentAt: string | null
  readonly at: string | null
  /** With the proof and its hash where the outcome has one; null while open. */
  readonly outcome: Outcome | null
  readonly retryOf?: DeliveryId
}

const receiptType = 'curfew-receipt+jwt'

export function createReceiptSigner(issuer: string, signing: ReceiptKey): ReceiptSigner {
  const header = { alg: signing.algorithm, kid: signing.kid, typ: receiptType }
  return {
    sign: (run) => new CompactSign(Buffer.from(JSON.stringify(receiptOf(issuer, run)))).setProtectedHeader(header).sign(signing.key)
  }
}

/** The algorithm that a private or public key signs receipts with. @throws TypeError for another kind of key */
export function receiptAlgorithm(key: KeyObject): ReceiptAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256'
  if (key.asymmetricKeyDetails?.namedCurve === 'secp384r1') return 'ES384'
  throw new TypeError(`no receipt can be signed with a key of type ${key.asymmetricKeyType ?? key.type}`)
}

export function receiptOf(issuer: string, run: LogoutRun): Receipt {
  return {
    iss: issuer,
    jti: `${run.id}.${run.version}`,
    iat: Math.floor((run.finishedAtMs ?? run.startedAtMs) / 1000),
    run: run.id,
    session: run.sessionId,
    sri: run.sri,
    user: run.userKey,
    reason: run.reason,
    startedBy: run.startedBy,
    startedAt: iso(run.startedAtMs),
    finishedAt: run.finishedAtMs === undefined ? null : iso(run.finishedAtMs),
    verdict: verdictOf(run).kind,
    ...(run.isPartial === true ? { partial: true } : {}),
    participants: run.deliveries.map(receiptLine)
  }
}

function receiptLine(delivery: Delivery): ReceiptLine {
  const [first] = delivery.attempts
  const channel = delivery.attempts.at(-1)?.channel
  return {
    delivery: delivery.id,
    peer: delivery.peerId,
    name: delivery.peerName,
    ...(delivery.grant === undefined ? {} : { grant: delivery.grant }),
    channel: channel === undefined ? null : `${channel.kind}/${channel.binding}`,
    attempts: delivery.attempts.length,
    firstSentAt: first === undefined ? null : iso(first.startedAtMs),
    at: delivery.finalAtMs === undefined ? null : iso(delivery.finalAtMs),
    outcome: delivery.outcome ?? null,
    ...(delivery.retryOf === undefined ? {} : { retryOf: delivery.retryOf })
  }
}

/**
 * Checks a receipt against the public key of the authority that made it and gives back what it says.
 * @throws CURFEW_RUN_RECEIPT_INVALID when it is no receipt, was changed, or was signed with another key
 */
export async function verifyReceipt(receipt: string, key: KeyObject): Promise<Receipt> {
  try {
    const { payload, protectedHeader } = await compactVerify(receipt, key, { algorithms: [receiptAlgorithm(key)] })
    if (protectedHeader.typ !== receiptType) throw new TypeError(`type ${protectedHeader.typ ?? 'missing'}`)
    return JSON.parse(Buffer.from(payload).toString('utf8')) as Receipt
  } catch (cause) {
    throw new CurfewError('CURFEW_RUN_RECEIPT_INVALID', {}, { cause })
  }
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString()
}
