import { createPrivateKey, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createMemorySessionRegistry, createServiceProvider, guardNode } from '@curfew/sdk'
import { type Application, type ApplicationOptions, journalEvent } from '../application.ts'
import { listenOnLoopback } from '../listen.ts'
import { applicationPage } from '../page.ts'

/**
 * Payroll: a plain node:http server. It takes part in sign-outs through the browser (HTTP Redirect), and because the
 * guard finds its sessions without cookies, that works in a hidden frame too.
 */
export async function startPayroll(options: ApplicationOptions): Promise<Application> {
  const { baseUrl, journal } = options
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
    const result = await guardNode(provider, request, response)
    if (result.kind === 'answered') return
    const url = new URL(request.url ?? '/', baseUrl)
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
  return { id: 'payroll', name: 'Payroll', url: baseUrl, note: 'SAML 2.0', connection: { protocol: 'saml', metadata: provider.metadata }, journal, servers }
}
