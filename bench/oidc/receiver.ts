import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Arrival, hangingPath, type ReceiverState } from './arrival.ts'
import { answerParent } from './child.ts'

/** The clients' own servers: they note what comes and say so when asked. */
let arrivals: Arrival[] = []
const server = createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    const path = request.url ?? ''
    arrivals.push({ path, atMs: performance.timeOrigin + performance.now() })
    if (!path.startsWith(hangingPath)) response.writeHead(200, { 'cache-control': 'no-store' }).end()
  })
})
server.keepAliveTimeout = 60_000

server.listen(0, '127.0.0.1', () =>
  answerParent<object, ReceiverState>(async () => {
    const taken = arrivals
    arrivals = []
    return { port: (server.address() as AddressInfo).port, arrivals: taken }
  })
)
