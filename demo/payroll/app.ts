import { createPrivateKey, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createMemorySessionRegistry, createServiceProvider, guardNode, nodeRequest } from '@curfew/sdk'
import { type Application, type ApplicationOptions, journalEvent } from '../application.ts'
import { browserFaults, type Fault } from '../legacy/fault.ts'
import { listenOnLoopback } from '../listen.ts'
import { applicationPage } from '../page.ts'

/**
 * Payroll: a plain node:http server. It takes part in sign-outs through the browser (HTTP Redirect), and because the
 * guard finds its sessions without cookies, that works in a hidden frame too.
 */
export async function startPayroll(options: ApplicationOptions): Promise<Application> {
  const { baseUrl, journal } = options
  let fault: Fault = 'none'
  const provider = createServiceProvider({
    entityId: `${baseUrl}/saml/metadata`,
    baseUrl,
    identityProviderMetadata: options.identityProviderMetadata,
    key: createPrivateKey(options.keyPem),
    certificate: options.certificatePem,
    sessions: createMemorySessionRegistry(),
    cookieName: 'payroll_session',
    logoutBindings: ['redirect'],
    nowMs: Date.now,
    randomBytes,
    onEvent: (event) => journalEvent(journal, event, Date.now())
  })

  const handle = async (...[request, response]: Parameters<Parameters<typeof createServer>[1] & object>): Promise<void> => {
    const url = new URL(request.url ?? '/', baseUrl)
    if (fault === 'no-return' && url.pathname === provider.paths.singleLogout && url.searchParams.has('SAMLRequest')) {
      // The session ends; the answer that the browser would take along is left out.
      await provider.handle(nodeRequest(request))
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html><title>Bye</title><p>You are signed out of Payroll.</p>')
      return
    }
    const result = await guardNode(provider, request, response)
    if (result.kind === 'answered') return
    // The page asks for a sign-in at once, except right after signing out.
    if (result.kind === 'signed-out' && !url.searchParams.has('signout')) {
      response.writeHead(303, { location: provider.loginPath('/') }).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    response.end(
      applicationPage({
        name: 'Payroll',
        accent: '#7a3e9d',
        words: 'Your next salary is on its way.',
        session: result.kind === 'signed-in' ? result.session : undefined,
        loginPath: provider.loginPath('/'),
        logoutPath: provider.paths.logout,
        signOut: url.searchParams.get('signout')
      })
    )
  }

  const servers = await listenOnLoopback(options.port, () =>
    createServer((request, response) => {
      handle(request, response).catch(() => response.writeHead(500).end())
    })
  )
  return {
    id: 'payroll',
    name: 'Payroll',
    url: baseUrl,
    note: 'SAML 2.0',
    connection: { protocol: 'saml', metadata: provider.metadata },
    journal,
    servers,
    faults: browserFaults,
    setFault: (next) => {
      fault = next
    }
  }
}
