import {
  CurfewError,
  decodeSoap,
  encodeSoap,
  isCurfewError,
  type LogoutResponse,
  messageLimits,
  proofOf,
  serialiseLogoutRequest,
  signMessage,
  soapAction,
  status,
  type Verified,
  verifyLogoutResponse
} from '@curfew/codecs'
import type { BrowserAnswer, BrowserInstruction, Sender, SendRequest, SendResult } from '../../engine/sender.ts'
import { isSilent } from '../../core/peer.ts'
import type { Ids } from '../../platform/ids.ts'
import type { Outbound, OutboundResponse } from '../../platform/outbound.ts'
import type { Random } from '../../platform/random.ts'
import type { ArtifactShelf } from './artifact-shelf.ts'
import type { SamlPartner } from './connection.ts'
import type { Connections } from './connections.ts'
import { nameIdSeal } from './encryption.ts'
import { logoutRequestOf, requestInstruction } from './logout-message.ts'

export interface SamlSenderDeps {
  readonly entityId: string
  readonly connections: Connections
  readonly ids: Ids
  readonly outbound: Pick<Outbound, 'request'>
  readonly random: Pick<Random, 'bytes'>
  readonly artifacts: Pick<ArtifactShelf, 'put'>
}

/** Tells SAML partners that a session ended. */
export function createSamlSender(deps: SamlSenderDeps): Sender {
  return {
    protocol: 'saml',
    newMessageId: () => deps.ids.message(),
    send: (request, signal) => sendBySoap(deps, request, signal),
    prepareBrowser: (request) => prepareBrowser(deps, request)
  }
}

async function sendBySoap(deps: SamlSenderDeps, request: SendRequest, signal: AbortSignal): Promise<SendResult> {
  const connection = deps.connections.byId(request.delivery.peerId)
  if (connection === undefined) return { kind: 'failed', why: 'unreachable', code: 'CURFEW_SAML_PEER_UNKNOWN', retryable: false }
  const signed = await signMessage(serialiseLogoutRequest(logoutRequestOf(deps.entityId, request), nameIdSeal(connection, deps.random)), connection.signing)
  let answer: OutboundResponse
  try {
    answer = await deps.outbound.request({
      peerId: connection.id,
      url: request.channel.url,
      method: 'POST',
      headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: soapAction },
      body: encodeSoap(signed),
      timeoutMs: request.run.policy.sendTimeoutMs,
      responseBytesMax: messageLimits.documentBytesMax,
      signal
    })
  } catch (error) {
    return failureOf(error, signal)
  }
  return readAnswer(connection, request.messageId, answer)
}

/** No answer at all: the same request may fare better later. */
function failureOf(error: unknown, signal: AbortSignal): SendResult {
  const code = isCurfewError(error) ? error.code : undefined
  const isTimeout = signal.aborted || code?.includes('TIMEOUT') === true || (error instanceof Error && error.name === 'TimeoutError')
  if (isTimeout) return { kind: 'failed', why: 'timed-out', code: code ?? 'CURFEW_SAML_PEER_TIMEOUT', retryable: true }
  return { kind: 'failed', why: 'unreachable', code: code ?? 'CURFEW_SAML_PEER_UNREACHABLE', retryable: code === undefined || !settledRefusals.has(code) }
}

/** What trying again can't change: our own rules keep this address from being asked. */
const settledRefusals: ReadonlySet<string> = new Set(['CURFEW_OUTBOUND_ADDRESS_FORBIDDEN', 'CURFEW_OUTBOUND_URL', 'CURFEW_OUTBOUND_TOO_LARGE'])

function readAnswer(connection: SamlPartner, messageId: string, answer: OutboundResponse): SendResult {
  const isXml = answer.headers['content-type']?.includes('xml') ?? false
  const isFault = answer.status === 500 && isXml
  if (answer.status >= 500 && !isFault) return { kind: 'failed', why: 'unreachable', code: 'CURFEW_SAML_PEER_HTTP', retryable: true }
  if (answer.status !== 200 && !isFault) return { kind: 'unusable-answer', code: 'CURFEW_SAML_PEER_HTTP' }
  if (!isXml) return { kind: 'unusable-answer', code: 'CURFEW_SAML_ANSWER_NOT_SAML' }
  try {
    const response = verifyLogoutResponse(decodeSoap(answer.body), connection.verification)
    if (response.inResponseTo !== messageId) throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO', { connection: connection.id })
    return judgeAnswer(response)
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return { kind: 'unusable-answer', code: error.code }
  }
}

/**
 * What a verified answer says about the partner's own session. Only `Success` without a second thought, and "I know
 * nobody of that name", count as signed out.
 */
export function judgeAnswer(response: Verified<LogoutResponse>): BrowserAnswer {
  const { messageHash, signedBy = '' } = proofOf(response)
  const proof = { kind: 'signed-answer' as const, messageId: response.id, hash: messageHash, signedBy }
  const said = response.status
  if (status.isUnknownPrincipal(said)) return { kind: 'confirmed', result: 'already-ended', proof }
  if (status.isSuccess(said) && status.isPartialLogout(said))
    return { kind: 'refused', statusCode: said.subcodes.join(' '), code: 'CURFEW_SAML_LOGOUT_PARTIAL' }
  if (status.isSuccess(said)) return { kind: 'confirmed', result: 'ended', proof }
  return { kind: 'refused', statusCode: [said.code, ...said.subcodes].join(' ').slice(0, 300), code: 'CURFEW_SAML_LOGOUT_REFUSED' }
}

function prepareBrowser(deps: SamlSenderDeps, request: SendRequest): Promise<BrowserInstruction> {
  const { channel } = request
  const connection = deps.connections.byId(request.delivery.peerId)
  if (connection === undefined || channel.kind === 'server' || channel.binding === 'end-session' || isSilent(channel))
    throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { connection: request.delivery.peerId })
  const { binding, url } = channel
  return requestInstruction(deps.artifacts, connection, { binding, url }, logoutRequestOf(deps.entityId, request), nameIdSeal(connection, deps.random))
}
