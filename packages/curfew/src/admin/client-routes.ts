import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import { actorOf } from './actor.ts'
import type { AdminContext } from './context.ts'
import { registeredClientView } from './schemas.ts'
import type { AdminServer } from './server.ts'

/** OpenID clients that registered themselves. */
export function registerClients(app: AdminServer, ctx: AdminContext): void {
  app.get('/v1/clients', { schema: { response: { 200: z.object({ items: z.array(registeredClientView) }) } } }, async () => ({
    items: ((await ctx.clients?.list()) ?? []).map(({ clientId, record: { metadata, issuedAtMs, by } }) => ({
      id: clientId,
      ...(metadata.client_name === undefined ? {} : { name: metadata.client_name }),
      redirectUris: [...metadata.redirect_uris],
      authentication: metadata.token_endpoint_auth_method,
      logoutUris: [metadata.backchannel_logout_uri, metadata.frontchannel_logout_uri].filter((uri) => uri !== undefined),
      registeredAtMs: issuedAtMs,
      registeredWith: by
    }))
  }))

  app.delete(
    '/v1/clients/:id',
    { schema: { params: z.object({ id: z.string().min(1).max(100) }), response: { 200: z.object({ removed: z.string() }) } } },
    async (request) => {
      const { id } = request.params
      if ((await ctx.clients?.remove(id)) !== true) throw new CurfewError('CURFEW_API_NOT_FOUND')
      await ctx.store.appendAudit({ atMs: ctx.clock.nowMs(), event: 'client.removed', actor: actorOf(request.headers['user-agent']), peerId: id })
      return { removed: id }
    }
  )
}
