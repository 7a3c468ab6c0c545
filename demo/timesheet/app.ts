import { createPrivateKey, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createMemorySessionRegistry, createServiceProvider, guardNode, type SessionRegistry } from '@curfew/sdk'
import { type Application, type ApplicationOptions, journalEvent } from '../application.ts'
import { listenOnLoopback } from '../listen.ts'
import { applicationPage, escape } from '../page.ts'

/** Ways out that are addresses of the authority; the application ends its own session first. */
const exits = {
  initslo: { path: '/sso/initslo/', words: 'Sign out everywhere, by initslo' },
  campus: { path: '/sso/initslo/', words: 'The same, only if you came from Campus', idpid: 'campus' },
  terminatesession: { path: '/sso/terminatesession', words: 'End the session here and at the authority, tell nobody' }
} as const

type Exit = keyof typeof exits

export interface TimesheetOptions extends ApplicationOptions {
  /** Address of the authority. */
  readonly issuer: string
}

/**
 * Timesheet: set up as for PingOne for Enterprise. Its LogoutRequests go to `/sso/SLO.saml2`, and it knows the two
 * addresses for applications without SAML, `initslo` and `terminatesession`, with `page` and `idpid`.
 */
export async function startTimesheet(options: TimesheetOptions): Promise<Application> {
  const { baseUrl, journal, issuer } = options
  const sessions = createMemorySessionRegistry()
  const provider = createServiceProvider({
    entityId: `${baseUrl}/saml/metadata`,
    baseUrl,
    identityProviderMetadata: options.identityProviderMetadata,
    key: createPrivateKey(options.keyPem),
    certificate: options.certificatePem,
    sessions,
    cookieName: 'timesheet_session',
    logoutBindings: ['redirect'],
    nowMs: Date.now,
    randomBytes,
    onEvent: (event) => journalEvent(journal, event, Date.now())
  })

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const exit = exitOf(request)
    if (exit !== undefined) return leave(exit, request, response)
    const result = await guardNode(provider, request, response)
    if (result.kind === 'answered') return
    const url = new URL(request.url ?? '/', baseUrl)
    if (result.kind === 'signed-out' && !url.searchParams.has('signout')) {
      response.writeHead(303, { location: provider.loginPath('/') }).end()
      return
    }
    const session = result.kind === 'signed-in' ? result.session : undefined
    const page = applicationPage({
      name: 'Timesheet',
      accent: '#8a5a00',
      words: 'You were here for eight hours. Nobody knows why.',
      session,
      loginPath: provider.loginPath('/'),
      logoutPath: provider.paths.logout,
      signOut: url.searchParams.get('signout'),
      ...(session === undefined ? {} : { more: exitForms() })
    })
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page)
  }

  /** Only a form of this application may leave: a page of somebody else must not end the session. */
  async function leave(exit: Exit, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.origin !== baseUrl) {
      response.writeHead(403).end()
      return
    }
    await endOwn(sessions, await provider.session(request.headers.cookie))
    response.writeHead(303, { location: addressOf(exit, issuer, baseUrl) }).end()
  }

  async function endOwn(registry: SessionRegistry, session: Awaited<ReturnType<typeof provider.session>>): Promise<void> {
    if (session === undefined) return
    await registry.end(session.id)
    journal.add({ atMs: Date.now(), event: 'signed-out', user: session.nameId.value })
  }

  const servers = await listenOnLoopback(options.port, () =>
    createServer((request, response) => {
      handle(request, response).catch(() => response.writeHead(500).end())
    })
  )
  return {
    id: 'timesheet',
    name: 'Timesheet',
    url: baseUrl,
    note: 'SAML 2.0, with the addresses of PingOne',
    connection: { protocol: 'saml', metadata: provider.metadata },
    journal,
    servers
  }
}

/** `POST /leave/<exit>`. */
function exitOf({ method, url = '' }: IncomingMessage): Exit | undefined {
  const name = /^\/leave\/(\w+)$/.exec(url)?.[1]
  return method === 'POST' && name !== undefined && name in exits ? (name as Exit) : undefined
}

/** Where a way out leads: `page` brings the browser back here, `idpid` means sessions from one identity provider only. */
function addressOf(exit: Exit, issuer: string, baseUrl: string): string {
  const { path, ...more } = exits[exit]
  const url = new URL(path, issuer)
  url.searchParams.set('page', `${baseUrl}/?signout=returned`)
  if ('idpid' in more) url.searchParams.set('idpid', more.idpid)
  return url.href
}

function exitForms(): string {
  return Object.entries(exits)
    .map(([name, { words }]) => `<form method="post" action="/leave/${name}"><p><button class="q">${escape(words)}</button></p></form>`)
    .join('')
}
