import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { agentConfigDefaults, serialiseAgentConfig } from '@curfew/codecs'
import { createMemorySessionRegistry, createOpenTokenApplication, guardNode, type OpenTokenApplication } from '@curfew/sdk'
import { type Application, type ClientOptions, journalOpenTokenEvent } from '../application.ts'
import { listenOnLoopback } from '../listen.ts'
import { applicationPage } from '../page.ts'

/**
 * Forms: a plain node:http application that knows neither SAML nor OpenID. It takes part by OpenToken: the browser brings
 * it a token, and visits its logout service when the session ends.
 */
export async function startForms(options: ClientOptions): Promise<Application> {
  const { baseUrl, journal, clientSecret } = options
  const forms = createOpenTokenApplication({
    adapterId: 'forms',
    agentConfig: serialiseAgentConfig({ ...agentConfigDefaults, password: Buffer.from(clientSecret) }),
    authorityUrl: options.issuer,
    baseUrl,
    sessions: createMemorySessionRegistry(),
    cookieName: 'forms_session',
    nowMs: Date.now,
    randomBytes,
    onEvent: (event) => journalOpenTokenEvent(journal, event, Date.now())
  })
  const servers = await listenOnLoopback(options.port, () =>
    createServer((request, response) => {
      answer(forms, request, response).catch(() => response.writeHead(500).end())
    })
  )
  return {
    id: 'forms',
    name: 'Forms',
    url: baseUrl,
    note: 'OpenToken, neither SAML nor OpenID',
    connection: {
      protocol: 'opentoken',
      password: clientSecret,
      transport: 'query',
      targetUrl: baseUrl + forms.paths.open,
      logoutService: baseUrl + forms.paths.logoutService,
      confirmation: 'answer',
      attributes: { mail: 'mail', 'session-index': 'sessionIndex' }
    },
    journal,
    servers
  }
}

async function answer(forms: OpenTokenApplication, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const result = await guardNode(forms, request, response)
  if (result.kind === 'answered') return
  const url = new URL(request.url ?? '/', 'http://forms.localhost')
  const signOut = url.searchParams.get('signout')
  if (result.kind === 'signed-out' && signOut === null) {
    response.writeHead(303, { location: forms.loginPath('/') }).end()
    return
  }
  const page = applicationPage({
    name: 'Forms',
    accent: '#5b4a8a',
    words: 'Nothing is waiting for your signature.',
    session: result.kind === 'signed-in' ? result.session : undefined,
    loginPath: forms.loginPath('/'),
    logoutPath: forms.paths.logout,
    signOut
  })
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page)
}
