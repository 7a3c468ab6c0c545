import { createServer, request as sendOn } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A proxy for programs that ask the resolver of the system, which may not know the names below `.localhost`: they are
 * this machine, as they are for every browser (RFC 6761 section 6.3). Other names are refused. Ends with the process.
 * @returns its port
 */
export async function startNameProxy(): Promise<number> {
  const server = createServer((request, response) => {
    const url = URL.parse(request.url ?? '')
    if (url === null || !url.hostname.endsWith('.localhost')) {
      response.writeHead(403).end()
      return
    }
    const { method, headers } = request
    const onward = sendOn({ host: '127.0.0.1', port: url.port, path: url.pathname + url.search, method, headers: { ...headers, host: url.host } }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.writeHead(502).end())
    request.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return (server.address() as AddressInfo).port
}
