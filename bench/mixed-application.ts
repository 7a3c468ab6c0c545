import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { acceptWebSocket } from '../packages/curfew/test/gateway/web-socket-server.ts'

/** An application in a process of its own whose answers never end: a stream, a long poll, an upload, a WebSocket. Says its port. */
const server = createServer({ requestTimeout: 0 }, (request, response) => {
  if (request.url === '/events') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hello\n\n')
  request.on('error', () => undefined).resume()
})
server.on('upgrade', (request, socket) => {
  acceptWebSocket(request, socket)
  socket.on('error', () => undefined).resume()
})
server.listen(0, '127.0.0.1', 8_192, () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())
