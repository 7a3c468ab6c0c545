import {
  artifactUrl,
  encodePost,
  encodeRedirect,
  type LogoutRequest,
  type LogoutResponse,
  logoutReason,
  type Seal,
  type SignableParts,
  type Status,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signMessage
} from '@curfew/codecs'
import type { EndReason } from '../../core/session.ts'
import type { BrowserInstruction, SendRequest } from '../../engine/sender.ts'
import type { ArtifactShelf } from './artifact-shelf.ts'
import type { LogoutService, SamlPartner } from './connection.ts'
import { instant } from './endpoints.ts'
import type { FrontBinding } from './settings.ts'

/** A LogoutRequest stays valid at least so long, whatever the assertion said. */
export const requestValidMsMin = 5 * 60_000

/**
 * The LogoutRequest of one attempt: the identifier exactly as issued, and valid as long as any assertion that could
 * still be presented, so that the partner can refuse a late one.
 * @see saml-core-2.0-os section 3.7.3.2
 */
export function logoutRequestOf(entityId: string, send: SendRequest): LogoutRequest {
  const { delivery, run, nowMs } = send
  return {
    kind: 'LogoutRequest',
    id: send.messageId,
    issuer: entityId,
    issueInstant: instant(nowMs),
    destination: send.channel.url,
    notOnOrAfter: instant(Math.max(nowMs + requestValidMsMin, delivery.assertionNotOnOrAfterMs)),
    reason: reasonUri(run.reason),
    subject: delivery.nameId,
    sessionIndexes: delivery.sessionIndex === '' ? [] : [delivery.sessionIndex],
    asynchronous: false
  }
}

function reasonUri(reason: EndReason): string {
  switch (reason) {
    case 'user':
    case 'upstream':
    case 'replaced':
      return logoutReason.user
    case 'idle-timeout':
    case 'max-timeout':
      return logoutReason.globalTimeout
    case 'admin':
    case 'session-limit':
    case 'password-change':
    case 'account-lock':
    case 'token-revocation':
    case 'shared-signal':
      return logoutReason.admin
  }
}

/** Puts a LogoutRequest on the way through the browser. @param seal - encrypts the subject; undefined: it goes as it is */
export function requestInstruction(
  artifacts: Pick<ArtifactShelf, 'put'>,
  connection: SamlPartner,
  way: { readonly binding: FrontBinding; readonly url: string },
  request: LogoutRequest,
  seal: Seal | undefined
): Promise<BrowserInstruction> {
  return instruct(artifacts, connection, { ...way, parameter: 'SAMLRequest' }, serialiseLogoutRequest(request, seal), undefined)
}

/** The answer to a partner's LogoutRequest. `destination` absent: SOAP, in the same exchange. */
export interface Answer {
  readonly id: string
  readonly entityId: string
  readonly nowMs: number
  readonly requestId: string
  readonly status: Status
  readonly destination?: string
}

export function logoutResponseParts(answer: Answer): SignableParts {
  const response: LogoutResponse = {
    kind: 'LogoutResponse',
    id: answer.id,
    issuer: answer.entityId,
    issueInstant: instant(answer.nowMs),
    inResponseTo: answer.requestId,
    status: answer.status,
    ...(answer.destination === undefined ? {} : { destination: answer.destination })
  }
  return serialiseLogoutResponse(response)
}

/** Where answers to this partner go through the browser: its response address where it has one (AC-141). */
export function answerService(connection: SamlPartner, binding: FrontBinding): { readonly binding: FrontBinding; readonly url: string } | undefined {
  const found = connection.answerServices.find((slo) => slo.binding === binding) ?? connection.answerServices.find(isFrontChannel)
  return found === undefined || !isFrontChannel(found) ? undefined : { binding: found.binding, url: found.responseUrl ?? found.url }
}

function isFrontChannel(slo: LogoutService): slo is LogoutService & { readonly binding: FrontBinding } {
  return slo.binding !== 'soap'
}

/** Puts a LogoutResponse on the way through the browser. */
export function answerInstruction(
  artifacts: Pick<ArtifactShelf, 'put'>,
  connection: SamlPartner,
  service: { readonly binding: FrontBinding; readonly url: string },
  answer: Omit<Answer, 'destination'>,
  relayState: string | undefined
): Promise<BrowserInstruction> {
  const parts = logoutResponseParts({ ...answer, destination: service.url })
  return instruct(artifacts, connection, { ...service, parameter: 'SAMLResponse' }, parts, relayState)
}

/** Puts any message on the way through the browser, signed; by artifact it stays here and only its name goes. */
export async function instruct(
  artifacts: Pick<ArtifactShelf, 'put'>,
  connection: SamlPartner,
  way: { readonly binding: FrontBinding; readonly url: string; readonly parameter: 'SAMLRequest' | 'SAMLResponse' },
  parts: SignableParts,
  relayState: string | undefined
): Promise<BrowserInstruction> {
  const relay = relayState === undefined ? {} : { relayState }
  if (way.binding === 'redirect') {
    const message = { parameter: way.parameter, xml: parts.head + parts.tail, ...relay }
    return { method: 'redirect', url: await encodeRedirect(way.url, message, connection.signing) }
  }
  const signed = await signMessage(parts, connection.signing)
  if (way.binding === 'artifact') return { method: 'redirect', url: artifactUrl(way.url, await artifacts.put(connection.id, signed), relayState) }
  return { method: 'post', url: way.url, fields: encodePost(signed, { parameter: way.parameter, ...relay }).fields }
}
