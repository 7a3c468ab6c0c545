import { once } from 'node:events'
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import type { Arriving, Web } from './visitor.ts'
import { cookiesOf, page, type Site, type WebAnswer } from './web.ts'

/** A site behind a port of its own. */
export interface SiteServer extends AsyncDisposable {
  /** From now on nobody listens there. */
  goDown(): Promise<void>
}

/** Listens for a site. A request that it can make nothing of is answered 400, as by any server that expects a message. */
export async function openSite(site: Site): Promise<SiteServer> {
  // Whoever keeps a connection closes it: no request meets one that is just being closed here.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => void answerAs(site, request, response))
  await once(server.listen(Number(new URL(`http://${site.host}`).port), '127.0.0.1'), 'listening')
  let isUp = true
  const goDown = async (): Promise<void> => {
    if (!isUp) return
    isUp = false
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { goDown, [Symbol.asyncDispose]: goDown }
}

async function answerAs(site: Site, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? site.host}`)
  const asked = { method: request.method === 'POST' ? ('POST' as const) : ('GET' as const), url, cookies: cookiesOf(request.headers.cookie) }
  const answer = url.host === site.host ? await site.handle({ ...asked, body: Buffer.concat(chunks) }).catch(refused) : page('Elsewhere')
  if (response.destroyed) return
  response.writeHead(answer.status, { ...answer.headers, ...(answer.cookies === undefined ? {} : { 'set-cookie': [...answer.cookies] }) }).end(answer.body)
}

function refused(error: unknown): WebAnswer {
  return { status: 400, headers: { 'content-type': 'text/plain' }, body: String(error) }
}

/** What a browser reaches: every host is on this machine, those without a port at the port of the authority. */
export function webOf(authorityPort: number): Web {
  return async ({ method, url, cookies, body }, headers, signal) => {
    const request = httpRequest({
      // A browser repeats what met a connection that was just being closed; here every request has its own.
      agent: false,
      host: '127.0.0.1',
      port: url.port === '' ? authorityPort : Number(url.port),
      method,
      path: url.pathname + url.search,
      headers: {
        ...headers,
        host: url.host,
        ...(cookies.size === 0 ? {} : { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
        ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length } : {})
      },
      ...(signal === undefined ? {} : { signal })
    })
    request.end(body)
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    return arriving(answer)
  }
}

function arriving(answer: IncomingMessage): Arriving {
  const { location, 'set-cookie': cookies = [] } = answer.headers
  return {
    status: answer.statusCode ?? 0,
    headers: location === undefined ? {} : { location },
    cookies,
    chunks: answer.setEncoding('utf8') as AsyncIterable<string>
  }
}
