import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { acceptWebSocket } from './web-socket-server.ts'

/** An application in a process of its own that accepts every WebSocket and keeps it; says its port. */
const server = createServer((_request, response) => response.end('ok'))
server.on('upgrade', (request, socket) => {
  acceptWebSocket(request, socket)
  socket.on('error', () => undefined).resume()
})
server.listen(0, '127.0.0.1', 8_192, () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())
