import { CurfewError, isCurfewError, sha256Hex } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { BrowserInstruction, Sender, SendRequest, SendResult } from '../../engine/sender.ts'
import type { Ids } from '../../platform/ids.ts'
import type { Outbound, OutboundResponse } from '../../platform/outbound.ts'
import type { Store } from '../../stores/store.ts'
import type { Clients, OidcClient } from './client.ts'
import { signLogoutToken } from './logout-token.ts'
import { grantKeyOf } from './grant-name.ts'
import { endGrant } from './offline-grant.ts'
import { encryptToken } from './token-encryption.ts'
import type { TokenKey } from './settings.ts'

export interface OidcSenderDeps {
  readonly issuer: string
  readonly clients: Clients
  readonly keys: readonly TokenKey[]
  readonly ids: Ids
  readonly outbound: Pick<Outbound, 'request'>
  readonly store: Pick<Store, 'getArtifact' | 'putArtifact' | 'dropGrant'>
}

/** Larger answers say nothing more about a logout. */
const answerBytesMax = 64 * 1024

/** Tells OpenID clients that a session ended. */
export function createOidcSender(deps: OidcSenderDeps): Sender {
  return {
    protocol: 'oidc',
    role: 'application',
    newMessageId: () => deps.ids.message(),
    send: (request, signal) => (request.channel.binding === 'grant' ? dropGrant(deps, request) : sendLogoutToken(deps, request, signal)),
    prepareBrowser: (request) => prepareBrowser(deps, request)
  }
}

/**
 * An offline grant lives here only: dropping it is the proof. What was dropped by an attempt whose end got lost counts
 * as ended already.
 */
async function dropGrant(deps: OidcSenderDeps, { run, delivery, nowMs }: SendRequest): Promise<SendResult> {
  const client = await clientOf(deps, delivery.peerId)
  if (client === undefined) return { kind: 'failed', why: 'unreachable', code: 'CURFEW_RUN_PEER_UNKNOWN', retryable: false }
  const { sessionId } = run
  const { clientId, refreshTokenSeconds } = client
  const dropped = await endGrant(deps.store, { sessionId, clientId, isSessionLive: run.isPartial === true, nowMs, refreshTokenSeconds })
  const proof = { kind: 'own-record' as const, hash: sha256Hex(grantKeyOf(sessionId, clientId)) }
  return { kind: 'confirmed', result: dropped > 0 ? 'ended' : 'already-ended', proof }
}

/** Another node may have registered it. */
async function clientOf({ clients }: Pick<OidcSenderDeps, 'clients'>, peerId: PeerId): Promise<OidcClient | undefined> {
  await clients.meet([peerId])
  return clients.byId(peerId)
}

async function sendLogoutToken(deps: OidcSenderDeps, request: SendRequest, signal: AbortSignal): Promise<SendResult> {
  const { delivery, channel, messageId: jti, nowMs } = request
  const client = await clientOf(deps, delivery.peerId)
  if (client === undefined) return { kind: 'failed', why: 'unreachable', code: 'CURFEW_RUN_PEER_UNKNOWN', retryable: false }
  const { issuer, keys } = deps
  const signed = await signLogoutToken(keys, { issuer, client, subject: delivery.nameId.value, sid: delivery.sessionIndex, jti, nowMs })
  const token = client.encryption === undefined ? signed : await encryptToken(client.encryption, signed)
  try {
    const answer = await deps.outbound.request({
      peerId: client.id,
      url: channel.url,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ logout_token: token }).toString(),
      timeoutMs: request.run.policy.sendTimeoutMs,
      responseBytesMax: answerBytesMax,
      signal
    })
    return judge(answer, token)
  } catch (error) {
    return failureOf(error, signal)
  }
}

/** Statuses that ask to be tried again. */
const later: ReadonlySet<number> = new Set([408, 425, 429])

/** Back-Channel Logout 1.0 section 2.8: 200 means done, 400 means not; what asks for patience is tried again. */
function judge(answer: OutboundResponse, token: string): SendResult {
  const { status } = answer
  if (status >= 200 && status < 300) return { kind: 'confirmed', result: 'ended', proof: { kind: 'authenticated-2xx', hash: sha256Hex(token) } }
  if (status >= 500 || later.has(status)) return { kind: 'failed', why: 'unreachable', code: 'CURFEW_OIDC_PEER_HTTP', retryable: status !== 501 }
  if (status >= 400) return { kind: 'refused', statusCode: `${status} ${errorWord(answer)}`.trim(), code: 'CURFEW_OIDC_LOGOUT_REFUSED' }
  return { kind: 'unusable-answer', code: 'CURFEW_OIDC_PEER_HTTP' }
}

/** The `error` of a JSON answer, if it is a plain word. */
function errorWord({ body }: OutboundResponse): string {
  try {
    const { error } = JSON.parse(Buffer.from(body).toString('utf8')) as { error?: unknown }
    return typeof error === 'string' && /^[\w.-]{1,60}$/.test(error) ? error : ''
  } catch {
    return ''
  }
}

function failureOf(error: unknown, signal: AbortSignal): SendResult {
  const code = isCurfewError(error) ? error.code : undefined
  if (signal.aborted || code?.includes('TIMEOUT') === true)
    return { kind: 'failed', why: 'timed-out', code: code ?? 'CURFEW_OUTBOUND_TIMEOUT', retryable: true }
  const isSettled = code === 'CURFEW_OUTBOUND_ADDRESS_FORBIDDEN' || code === 'CURFEW_OUTBOUND_URL' || code === 'CURFEW_OUTBOUND_TOO_LARGE'
  return { kind: 'failed', why: 'unreachable', code: code ?? 'CURFEW_OUTBOUND_UNREACHABLE', retryable: !isSettled }
}

/** Front-Channel Logout 1.0 section 3: `iss` and `sid` together; a picture of the replaced product goes as it is. */
async function prepareBrowser(deps: OidcSenderDeps, { channel, delivery }: SendRequest): Promise<BrowserInstruction> {
  if (channel.binding === 'image') return { method: 'redirect', url: channel.url }
  if (channel.binding !== 'front-channel') throw new CurfewError('CURFEW_RUN_PEER_UNKNOWN', { connection: delivery.peerId })
  const url = new URL(channel.url)
  url.searchParams.set('iss', deps.issuer)
  url.searchParams.set('sid', delivery.sessionIndex)
  return { method: 'redirect', url: url.href }
}
