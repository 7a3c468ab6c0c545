import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type AppSession, type Guard, guardNode, type SessionGuard } from '@curfew/sdk'
import { acceptSocket, closeFrame } from '../web-socket.ts'
import { type Example, type ExampleOptions, guarded } from './options.ts'

/** `node:http`, with a WebSocket that ends with the session. */
export function nodeExample(options: ExampleOptions): Example {
  const { guard, sessions } = guarded(options)
  const server = createServer((request, response) => {
    answer(guard, request, response).catch(() => response.writeHead(500).end())
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    // Node has taken its own listener away: without one, a client that resets the connection ends the process.
    socket.on('error', () => socket.destroy())
    guard.session(request.headers.cookie).then(
      (session) =>
        session === undefined ? socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n') : openSocket(sessions, session, request, socket),
      () => socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n')
    )
  })
  return { server, sessions }
}

async function answer(guard: Guard, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const result = await guardNode(guard, request, response)
  if (result.kind === 'answered') return
  if (result.kind === 'signed-in') response.end(`Hello ${result.session.nameId.value}`)
  else response.writeHead(303, { location: guard.loginPath(request.url ?? '/') }).end()
}

/** With a library it is one line: `sessions.hold(session, (code, reason) => socket.close(code, reason))`. */
function openSocket(sessions: SessionGuard, session: AppSession, request: IncomingMessage, socket: Duplex): void {
  acceptSocket(request, socket)
  const forget = sessions.hold(session, (code, reason) => socket.end(closeFrame(code, reason)))
  socket.on('close', forget).on('error', forget).resume()
}
