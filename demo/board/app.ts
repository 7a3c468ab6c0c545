import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Journal } from '../journal.ts'
import { listenOnLoopback } from '../listen.ts'
import { escape, pageShell } from '../page.ts'
import { acceptSocket } from '../web-socket.ts'

export interface BoardOptions {
  /** Address as browsers see it: that of the gateway. */
  readonly baseUrl: string
  /** Port of the application itself, which only the gateway speaks to. */
  readonly port: number
  readonly issuer: string
  readonly clientSecret: string
  readonly journal: Journal
}

/** An application behind the gateway, and the client that the gateway is to the authority. */
export interface GuardedApplication {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly note: string
  /** Where the gateway reaches it. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly clientSecret: string
  readonly redirectUris: readonly string[]
  readonly journal: Journal
  readonly servers: readonly Server[]
}

/** Board: knows nothing of sign-in and sign-out. It reads one header, and keeps a WebSocket open that ends when the session does. */
export async function startBoard({ baseUrl, port, issuer, clientSecret, journal }: BoardOptions): Promise<GuardedApplication> {
  const servers = await listenOnLoopback(port, () => {
    const server = createServer((request, response) => answer(issuer, request, response))
    server.on('upgrade', (request: IncomingMessage, socket: Duplex) => keep(journal, request, socket))
    return server
  })
  return {
    id: 'board',
    name: 'Board',
    url: baseUrl,
    note: 'behind the gateway, knows nothing of all this',
    target: `http://127.0.0.1:${port}`,
    headers: { 'X-User': 'preferred_username' },
    clientSecret,
    redirectUris: [`${baseUrl}/pa/oidc/cb`],
    journal,
    servers
  }
}

function answer(issuer: string, request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(pageShell('Board', '#5b4a9c', body(issuer, userOf(request))))
}

function body(issuer: string, user: string): string {
  return `<h1>Board</h1><p>Signed in as <strong>${escape(user)}</strong>, says the gateway.</p><p>Live connection: <strong id="live" role="status">none without JavaScript</strong></p>
<p><a class="b" href="/pa/oidc/logout">Sign out here only</a> <a class="b" href="${escape(issuer)}/idp/startSLO.ping">Sign out everywhere</a></p>
<script>{const live=document.getElementById('live');const socket=new WebSocket('ws://'+location.host+'/live');socket.onopen=()=>{live.textContent='open'};socket.onclose=(event)=>{live.textContent='closed, '+event.code+' '+event.reason}}</script>`
}

function keep(journal: Journal, request: IncomingMessage, socket: Duplex): void {
  const user = userOf(request)
  acceptSocket(request, socket)
  journal.add({ atMs: Date.now(), event: 'connected', user })
  socket.on('error', () => undefined)
  socket.on('close', () => journal.add({ atMs: Date.now(), event: 'access-ended', user }))
  socket.resume()
}

/** The gateway's word, and nobody else's: it takes the header from clients. */
function userOf({ headers }: IncomingMessage): string {
  const user = headers['x-user']
  return typeof user === 'string' ? user : ''
}
