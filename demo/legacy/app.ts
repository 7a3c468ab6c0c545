import { createPrivateKey, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createMemorySessionRegistry, createServiceProvider, nodeRequest, readIdentityProvider, writeNode } from '@curfew/sdk'
import { type Application, type ApplicationOptions, journalEvent } from '../application.ts'
import { listenOnLoopback } from '../listen.ts'
import { applicationPage } from '../page.ts'
import { type Fault, serverFaults } from './fault.ts'
import { misbehave } from './misbehave.ts'
import { misbehaveAtSignIn, signedByAnother } from './sign-in.ts'
import { type SignInFault, signInFaults } from './sign-in-fault.ts'

/** How long `slow` takes to answer. */
const slowMs = 2_000

export interface LegacyOptions extends ApplicationOptions {
  readonly fault?: Fault
  /** Bindings of its logout endpoint; SOAP unless told otherwise. */
  readonly logoutBindings?: readonly ('soap' | 'redirect')[]
}

/** Legacy: the application every company has. It treats logout messages as it is told to, for good and bad. */
export async function startLegacy(options: LegacyOptions): Promise<Application> {
  const { baseUrl, journal } = options
  let fault: Fault = options.fault ?? 'slow'
  let signInFault: SignInFault = 'none'
  const key = createPrivateKey(options.keyPem)
  const provider = createServiceProvider({
    entityId: `${baseUrl}/saml/metadata`,
    baseUrl,
    identityProviderMetadata: options.identityProviderMetadata,
    key,
    certificate: options.certificatePem,
    sessions: createMemorySessionRegistry(),
    cookieName: 'legacy_session',
    logoutBindings: options.logoutBindings ?? ['soap'],
    nowMs: Date.now,
    randomBytes,
    onEvent: (event) => journalEvent(journal, event, Date.now())
  })
  const wrongly = {
    entityId: `${baseUrl}/saml/metadata`,
    provider: readIdentityProvider(options.identityProviderMetadata, Date.now()),
    ownKey: { key, algorithm: 'rsa-sha256' as const }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', baseUrl)
    const isLogoutMessage = url.pathname === provider.paths.singleLogout || url.pathname === provider.paths.singleLogoutSoap
    const guarded = nodeRequest(request)
    if (isLogoutMessage) {
      const body = request.method === 'POST' ? await guarded.readBody() : new Uint8Array()
      if (fault === 'slow') await sleep(slowMs)
      // The session ends all the same: only the answer is wrong.
      if (fault === 'wrong-binding') await provider.handle({ ...guarded, readBody: async () => body })
      if (await misbehave(fault, { request, response, body }, wrongly)) return
      const answer = await provider.handle({ ...guarded, readBody: async () => body })
      if (answer === undefined) response.writeHead(405).end()
      else writeNode(response, answer)
      return
    }
    if (url.pathname === provider.paths.assertionConsumer && request.method === 'POST' && (await misbehaveAtSignIn(signInFault, request, response))) return
    const answer = await provider.handle(guarded)
    if (answer !== undefined) {
      const { location } = answer.headers
      const isForged = signInFault === 'bad-signature' && typeof location === 'string' && location.includes('SAMLRequest=')
      return writeNode(response, isForged ? { ...answer, headers: { ...answer.headers, location: await signedByAnother(location) } } : answer)
    }
    const session = await provider.session(request.headers.cookie)
    if (session === undefined && !url.searchParams.has('signout')) {
      response.writeHead(303, { location: provider.loginPath('/') }).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    response.end(
      applicationPage({
        name: 'Legacy',
        accent: '#8a4b12',
        words: 'This application answers slowly, sometimes not at all.',
        session,
        loginPath: provider.loginPath('/'),
        logoutPath: provider.paths.logout,
        signOut: url.searchParams.get('signout')
      })
    )
  }

  const servers = await listenOnLoopback(options.port, () =>
    createServer((request, response) => {
      handle(request, response).catch(() => response.headersSent || response.writeHead(500).end())
    })
  )
  return {
    id: 'legacy',
    name: 'Legacy',
    url: baseUrl,
    note: 'answers slowly, sometimes not at all',
    connection: { protocol: 'saml', metadata: provider.metadata },
    journal,
    servers,
    faults: serverFaults,
    setFault: (next) => {
      fault = next
    },
    signInFaults,
    setSignInFault: (next) => {
      signInFault = next
    }
  }
}
