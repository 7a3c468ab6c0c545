import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createMemorySessionRegistry, createRelyingParty, expressGuard, type GuardedRequest } from '@curfew/sdk'
import express from 'express'
import { type Application, type ClientOptions, journalClientEvent } from '../application.ts'
import { listenOnLoopback } from '../listen.ts'
import { loopbackFetch } from '../loopback-fetch.ts'
import { applicationPage } from '../page.ts'

/**
 * Chat: an Express application that is told of sign-outs by a hidden frame only (front channel). It does end its
 * session, but nobody can know: the sign-off page says so.
 */
export async function startChat(options: ClientOptions): Promise<Application> {
  const { baseUrl, journal, clientSecret } = options
  const party = createRelyingParty({
    issuer: options.issuer,
    clientId: 'chat',
    clientSecret,
    baseUrl,
    sessions: createMemorySessionRegistry(),
    cookieName: 'chat_session',
    fetch: loopbackFetch,
    nowMs: Date.now,
    randomBytes,
    onEvent: (event) => journalClientEvent(journal, event, Date.now())
  })

  const app = express()
  app.disable('x-powered-by')
  app.use(expressGuard(party))
  app.get('/', (request, response) => {
    const session = (request as unknown as GuardedRequest).appSession
    const signOut = typeof request.query['signout'] === 'string' ? request.query['signout'] : null
    if (session === undefined && signOut === null) {
      response.redirect(303, party.loginPath('/'))
      return
    }
    const page = applicationPage({
      name: 'Chat',
      accent: '#8a2350',
      words: 'Nobody has written to you.',
      session,
      loginPath: party.loginPath('/'),
      logoutPath: party.paths.logout,
      signOut
    })
    response.set('cache-control', 'no-store').type('html').send(page)
  })

  const servers = await listenOnLoopback(options.port, () => createServer(app))
  const { callback, signedOut, frontChannelLogout } = party.paths
  return {
    id: 'chat',
    name: 'Chat',
    url: baseUrl,
    note: 'OpenID Connect, front-channel: can not confirm',
    connection: {
      protocol: 'oidc',
      clientSecret,
      redirectUris: [baseUrl + callback],
      postLogoutRedirectUris: [baseUrl + signedOut],
      logout: { modes: ['frontChannel'], frontChannelUris: [baseUrl + frontChannelLogout] }
    },
    journal,
    servers
  }
}
