import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  decodeRedirect,
  decodeSoap,
  encodeRedirect,
  encodeSoap,
  type LogoutResponse,
  type Received,
  serialiseLogoutResponse,
  type SigningKey,
  type Status,
  signMessage,
  status,
  statusUri
} from '@curfew/codecs'
import type { IdentityProvider } from '@curfew/sdk'
import type { Fault } from './fault.ts'
import { foreignKey } from './foreign-key.ts'

export interface MisbehaveOptions {
  readonly entityId: string
  readonly provider: IdentityProvider
  readonly ownKey: SigningKey
}

/** A message of the demo that is answered in a way no partner should. */
export interface LogoutExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Uint8Array
}

/** Answers a logout message wrongly. True: answered, or left without an answer on purpose. */
export async function misbehave(fault: Fault, exchange: LogoutExchange, options: MisbehaveOptions): Promise<boolean> {
  const { request, response } = exchange
  switch (fault) {
    case 'none':
    case 'slow':
      return false
    case 'no-response':
      return true
    case 'down':
      request.socket.destroy()
      return true
    case 'error-500':
      response.writeHead(500, { 'content-type': 'text/plain' }).end('Internal Server Error')
      return true
    case 'no-return':
    case 'wrong-binding':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Bye</title><p>You are signed out of this application.</p>')
      return true
    case 'bad-signature':
      await answer(exchange, options, status.success(), await foreignKey())
      return true
    case 'wrong-session-index':
      await answer(exchange, options, status.requester(statusUri.unknownPrincipal), options.ownKey)
      return true
    case 'partial':
      await answer(exchange, options, status.partialLogout(), options.ownKey)
      return true
  }
}

async function answer(exchange: LogoutExchange, options: MisbehaveOptions, answerStatus: Status, key: SigningKey): Promise<void> {
  const { request, response, body } = exchange
  const isSoap = request.method === 'POST'
  const received: Received = isSoap ? decodeSoap(body) : decodeRedirect((request.url ?? '').split('?')[1] ?? '')
  const url = options.provider.singleLogout?.responseUrl ?? options.provider.singleLogout?.url ?? ''
  const message: LogoutResponse = {
    kind: 'LogoutResponse',
    id: `_${randomBytes(20).toString('hex')}`,
    issuer: options.entityId,
    issueInstant: Temporal.Now.instant(),
    inResponseTo: received.claimed.id,
    status: answerStatus,
    ...(isSoap ? {} : { destination: url })
  }
  const parts = serialiseLogoutResponse(message)
  if (isSoap) {
    response.writeHead(200, { 'content-type': 'text/xml; charset=utf-8' }).end(encodeSoap(await signMessage(parts, key)))
    return
  }
  const relay = received.relayState === undefined ? {} : { relayState: received.relayState }
  const location = await encodeRedirect(url, { parameter: 'SAMLResponse', xml: parts.head + parts.tail, ...relay }, key)
  response.writeHead(303, { location }).end()
}
