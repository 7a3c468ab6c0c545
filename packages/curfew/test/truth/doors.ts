import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { cookiesOf, type WebAnswer } from './web.ts'
import { authorityHost, type World } from './world.ts'

/** All sites of a world over real HTTP behind one port; a browser is told that every host is there. */
export interface Doors extends AsyncDisposable {
  /** Switches of Chromium by which it finds the sites. */
  readonly switches: readonly string[]
}

export async function openDoors(world: World, port: number): Promise<Doors> {
  const server: Server = createServer((request, response) => {
    if (request.headers.host === authorityHost) world.kit.app.server.emit('request', request, response)
    else void answerAsSite(world, request, response)
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')
  return {
    switches: [`--host-resolver-rules=MAP *.test 127.0.0.1:${port}, MAP *.localhost 127.0.0.1:${port}`],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}

async function answerAsSite(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const host = request.headers.host ?? ''
  const answer = await answerOf(world, request, host, Buffer.concat(chunks))
  response.writeHead(answer.status, { ...answer.headers, ...(answer.cookies === undefined ? {} : { 'set-cookie': [...answer.cookies] }) }).end(answer.body)
}

async function answerOf(world: World, request: IncomingMessage, host: string, body: Buffer): Promise<WebAnswer> {
  const method = request.method === 'POST' ? 'POST' : 'GET'
  try {
    const url = new URL(request.url ?? '/', `http://${host}`)
    return (await world.site(host)?.handle({ method, url, cookies: cookiesOf(request.headers.cookie), body })) ?? { status: 404 }
  } catch (error) {
    return { status: 500, body: String(error) }
  }
}
