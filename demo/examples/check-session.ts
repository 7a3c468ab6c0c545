import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import {
  createMemorySessionRegistry,
  createRelyingParty,
  expressGuard,
  type Fetch,
  type GuardedRequest,
  type RelyingParty,
  type RelyingPartyEvent,
  relyingPartyPaths,
  sessionEndedMessage
} from '@curfew/sdk'
import express from 'express'
import type { ExampleOptions } from './options.ts'

type Options = Pick<ExampleOptions, 'issuer' | 'clientId' | 'clientSecret' | 'baseUrl'> & {
  readonly intervalMs?: number
  readonly onEvent?: (event: RelyingPartyEvent) => void
}

/** What the page of the application does when the frame says that the session is over: it asks for itself again. */
const script = `addEventListener('message', ({ origin, data }) => {
  if (origin === location.origin && data?.type === '${sessionEndedMessage}') location.reload()
})`

/** Express, with a page that learns in the browser that the session at the provider changed. Its policy allows no script within pages. */
export function checkSessionExample(options: Options): { readonly server: Server; readonly party: RelyingParty } {
  const { issuer, clientId, clientSecret, baseUrl, intervalMs, onEvent } = options
  const party = createRelyingParty({
    issuer,
    clientId,
    clientSecret,
    baseUrl,
    sessions: createMemorySessionRegistry(),
    sessionCheck: intervalMs === undefined ? {} : { intervalMs },
    fetch: fetch as Fetch,
    nowMs: Date.now,
    randomBytes,
    ...(onEvent === undefined ? {} : { onEvent })
  })
  const app = express()
  app.use((_request, response, next) => {
    response.set('content-security-policy', "default-src 'none'; script-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'")
    next()
  })
  app.use(expressGuard(party))
  app.get('/app.js', (_request, response) => void response.type('text/javascript').send(script))
  app.get('/', (request, response) => {
    const session = (request as unknown as GuardedRequest).appSession
    if (session === undefined) return response.redirect(303, party.loginPath('/'))
    const page = `<p>Hello ${session.nameId.value}</p><iframe src="${relyingPartyPaths.checkSession}" hidden></iframe><script src="/app.js"></script>`
    response
      .set('cache-control', 'no-store')
      .type('html')
      .send(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Example</title><body>${page}</body></html>`)
  })
  return { server: createServer(app), party }
}
