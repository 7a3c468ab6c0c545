import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createMemorySessionRegistry, createRelyingParty, guardNode } from '@curfew/sdk'
import { type Application, type ClientOptions, journalClientEvent } from '../application.ts'
import { listenOnLoopback } from '../listen.ts'
import { loopbackFetch } from '../loopback-fetch.ts'
import { applicationPage } from '../page.ts'

/** Wiki: a plain node:http server that speaks OpenID, and is told of sign-outs by the authority's server (back channel). */
export async function startWiki(options: ClientOptions): Promise<Application> {
  const { baseUrl, journal, clientSecret } = options
  const party = createRelyingParty({
    issuer: options.issuer,
    clientId: 'wiki',
    clientSecret,
    baseUrl,
    sessions: createMemorySessionRegistry(),
    cookieName: 'wiki_session',
    fetch: loopbackFetch,
    nowMs: Date.now,
    randomBytes,
    onEvent: (event) => journalClientEvent(journal, event, Date.now())
  })

  const handle = async (...[request, response]: Parameters<Parameters<typeof createServer>[1] & object>): Promise<void> => {
    const result = await guardNode(party, request, response)
    if (result.kind === 'answered') return
    const url = new URL(request.url ?? '/', baseUrl)
    if (result.kind === 'signed-out' && !url.searchParams.has('signout')) {
      response.writeHead(303, { location: party.loginPath('/') }).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    response.end(
      applicationPage({
        name: 'Wiki',
        accent: '#9a4a12',
        words: 'How to sign out: once, here or anywhere.',
        session: result.kind === 'signed-in' ? result.session : undefined,
        loginPath: party.loginPath('/'),
        logoutPath: party.paths.logout,
        signOut: url.searchParams.get('signout')
      })
    )
  }

  const servers = await listenOnLoopback(options.port, () =>
    createServer((request, response) => {
      handle(request, response).catch(() => response.writeHead(500).end())
    })
  )
  const { callback, signedOut, backChannelLogout } = party.paths
  return {
    id: 'wiki',
    name: 'Wiki',
    url: baseUrl,
    note: 'OpenID Connect, back-channel',
    connection: {
      protocol: 'oidc',
      clientSecret,
      redirectUris: [baseUrl + callback],
      postLogoutRedirectUris: [baseUrl + signedOut],
      logout: { modes: ['backChannel'], backChannelUri: baseUrl + backChannelLogout }
    },
    journal,
    servers
  }
}
