import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  decodeSoap,
  encodeSoap,
  type LogoutRequest,
  type PeerKeys,
  type SigningKey,
  serialiseLogoutResponse,
  signMessage,
  status,
  statusUri,
  verifyLogoutRequest
} from '@curfew/codecs'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { createIds } from '../../packages/curfew/src/platform/ids.ts'
import { systemRandom } from '../../packages/curfew/src/platform/random.ts'

/** What an application wrote down about one session of its own. */
export interface Entry {
  isLive: boolean
  /** When it was asked to end it, each time, in milliseconds since 1970. */
  readonly heardAtMs: number[]
}

/** The records of one application: the truth that outcomes are held against. */
export interface Journal {
  signedIn(index: string): void
  /** It ends the session by itself. */
  signedOut(index: string): void
  /** It was asked to; true: there was something to end. */
  heard(index: string): boolean
  entry(index: string): Entry | undefined
}

/** A SAML application that is told by SOAP, and an OpenID client that is told by back channel; both outlive the authority. */
export interface Applications {
  readonly saml: Journal
  readonly openId: Journal
  close(): Promise<void>
}

export interface ApplicationsOptions {
  readonly port: number
  readonly authority: PeerKeys
  readonly entityId: string
  readonly signing: SigningKey
  readonly clientId: string
}

export const soapPath = '/soap'
export const backChannelPath = '/back-channel'
const ids = createIds(systemRandom)

export async function startApplications({ port, authority, entityId, signing, clientId }: ApplicationsOptions): Promise<Applications> {
  const [saml, openId] = [createJournal(), createJournal()]
  const keys = createRemoteJWKSet(new URL(`${authority.entityId}/pf/JWKS`))

  async function bySoap(body: Buffer, response: ServerResponse): Promise<void> {
    const request = verifyLogoutRequest(decodeSoap(body), authority)
    const wasLive = saml.heard(request.sessionIndexes[0] ?? '')
    const answer = encodeSoap(await signMessage(serialiseLogoutResponse(answerOf(request, entityId, wasLive)), signing))
    response.writeHead(200, { 'content-type': 'text/xml' }).end(answer)
  }

  async function byBackChannel(body: Buffer, response: ServerResponse): Promise<void> {
    const token = new URLSearchParams(body.toString()).get('logout_token') ?? ''
    const { payload } = await jwtVerify(token, keys, { issuer: authority.entityId, audience: clientId, typ: 'logout+jwt' })
    openId.heard(String(payload['sid']))
    response.writeHead(200, { 'cache-control': 'no-store' }).end()
  }

  const server = createServer((request, response) => {
    const work = request.url === soapPath ? bySoap : byBackChannel
    // What comes from a process that is killed meanwhile may be half a message.
    void bodyOf(request)
      .then((body) => work(body, response))
      .catch(() => response.headersSent || response.writeHead(400).end())
  })
  server.keepAliveTimeout = 60_000
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { saml, openId, close: () => closed(server) }
}

function answerOf(request: LogoutRequest, issuer: string, wasLive: boolean): Parameters<typeof serialiseLogoutResponse>[0] {
  return {
    kind: 'LogoutResponse',
    id: ids.message(),
    issuer,
    issueInstant: Temporal.Now.instant(),
    inResponseTo: request.id,
    status: wasLive ? status.success() : status.requester(statusUri.unknownPrincipal)
  }
}

function createJournal(): Journal {
  const entries = new Map<string, Entry>()
  const at = (index: string): Entry => {
    const entry = entries.get(index) ?? { isLive: false, heardAtMs: [] }
    entries.set(index, entry)
    return entry
  }
  return {
    signedIn(index) {
      at(index).isLive = true
    },
    signedOut(index) {
      at(index).isLive = false
    },
    heard(index) {
      const entry = at(index)
      entry.heardAtMs.push(Date.now())
      const wasLive = entry.isLive
      entry.isLive = false
      return wasLive
    },
    entry: (index) => entries.get(index)
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
}
