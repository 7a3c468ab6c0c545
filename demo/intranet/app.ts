import { createPrivateKey, randomBytes } from 'node:crypto'
import { type AppSession, createMemorySessionRegistry, createServiceProvider, fastifyGuard } from '@curfew/sdk'
import fastify from 'fastify'
import { type Application, type ApplicationOptions, journalEvent } from '../application.ts'
import { loopbackHosts } from '../listen.ts'
import { applicationPage } from '../page.ts'

/** Intranet: a Fastify application that is told of sign-outs by its server (SOAP), without any browser. */
export async function startIntranet(options: ApplicationOptions): Promise<Application> {
  const { baseUrl, journal } = options
  const provider = createServiceProvider({
    entityId: `${baseUrl}/saml/metadata`,
    baseUrl,
    identityProviderMetadata: options.identityProviderMetadata,
    key: createPrivateKey(options.keyPem),
    certificate: options.certificatePem,
    sessions: createMemorySessionRegistry(),
    cookieName: 'intranet_session',
    logoutBindings: ['soap'],
    nowMs: Date.now,
    randomBytes,
    onEvent: (event) => journalEvent(journal, event, Date.now())
  })

  const build = () => {
    const app = fastify({ forceCloseConnections: true })
    fastifyGuard(app, provider)
    app.get('/', async (request, reply) => {
      const session = (request as { appSession?: AppSession | null }).appSession ?? undefined
      const { signout } = request.query as { signout?: string }
      if (session === undefined && signout === undefined) return reply.redirect(provider.loginPath('/'), 303)
      const page = applicationPage({
        name: 'Intranet',
        accent: '#1f6f54',
        words: 'Lunch today: soup.',
        session,
        loginPath: provider.loginPath('/'),
        logoutPath: provider.paths.logout,
        signOut: signout ?? null
      })
      return reply.header('cache-control', 'no-store').type('text/html; charset=utf-8').send(page)
    })
    return app
  }

  const apps: ReturnType<typeof build>[] = []
  for (const host of loopbackHosts) {
    const app = build()
    apps.push(app)
    try {
      await app.listen({ port: options.port, host })
    } catch (error) {
      await Promise.all(apps.map((each) => each.close()))
      throw error
    }
  }
  return {
    id: 'intranet',
    name: 'Intranet',
    url: baseUrl,
    note: 'SAML 2.0, SOAP back-channel',
    connection: { protocol: 'saml', metadata: provider.metadata },
    journal,
    servers: apps.map((app) => app.server)
  }
}
