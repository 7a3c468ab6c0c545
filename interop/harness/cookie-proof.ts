import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { type BrowserMode, createVisitor } from './visitor.ts'

/**
 * Whether a frame of another site gets its cookies in this mode: a mode that is not what its name says would prove
 * nothing about anybody. A cookie that may be sent across sites is set at one site, whose page another one frames.
 */
export async function sendsThirdPartyCookies(browser: Browser, mode: BrowserMode): Promise<boolean> {
  let framedWith: string | undefined
  const framed = await listen((path, cookie) => {
    if (path === '/framed') framedWith = cookie
    return { headers: { 'set-cookie': 'proof=1; SameSite=None; Secure; Path=/' }, body: 'framed' }
  })
  const frameUrl = `http://framed.localhost:${portOf(framed)}`
  const framing = await listen(() => ({ headers: {}, body: `<iframe src="${frameUrl}/framed"></iframe>` }))
  const visitor = await createVisitor(browser, mode)
  try {
    await visitor.page.goto(`${frameUrl}/set`)
    await visitor.page.goto(`http://framing.localhost:${portOf(framing)}/`)
    if (framedWith === undefined) throw new Error('the frame was never loaded')
    return framedWith.includes('proof=1')
  } finally {
    await visitor.close()
    for (const server of [framed, framing]) server.close()
  }
}

type Answer = (path: string, cookie: string) => { readonly headers: Readonly<Record<string, string>>; readonly body: string }

async function listen(answer: Answer): Promise<Server> {
  const server = createServer((request, response) => {
    const { headers, body } = answer(request.url ?? '/', request.headers.cookie ?? '')
    response.writeHead(200, { 'content-type': 'text/html', ...headers }).end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
