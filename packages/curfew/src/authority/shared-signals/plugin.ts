import { isCurfewError } from '@curfew/codecs'
import type { FastifyPluginAsync } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { oidcUrl } from '../oidc/endpoints.ts'
import { noStore } from '../request.ts'
import { signalPaths } from './endpoints.ts'
import { receiversOf } from './owed.ts'
import { pollRoutes } from './poll-endpoint.ts'
import { pushRoutes } from './push-endpoint.ts'
import { deliveryMethods } from './stream-body.ts'
import { streamRoutes } from './stream-endpoints.ts'
import { createTransmitterKeys } from './transmitter-keys.ts'

/** Shared signals: the transmitter for clients that may have a stream, the receiver for transmitters that push. */
export function sharedSignalsPlugin(ctx: AuthorityContext): FastifyPluginAsync {
  return async (app) => {
    const { signals } = ctx
    if (ctx.sharedSignals.transmitters.some(({ pushToken }) => pushToken !== undefined)) {
      app.register(async (inner) => pushRoutes(inner, ctx, createTransmitterKeys(ctx)))
    }
    if (receiversOf(ctx).length === 0) return
    app.register(async (inner) => {
      inner.addHook('onError', async (_request, reply, error) => {
        if (isCurfewError(error) && error.code === 'CURFEW_OIDC_CLIENT_AUTHENTICATION') reply.header('www-authenticate', 'Basic realm="curfew"')
      })
      streamRoutes(inner, { ctx, streams: signals.streams, wake: () => signals.wake() })
      pollRoutes(inner, { ctx, streams: signals.streams, onOwed: (listener) => signals.onOwed(listener) })
    })
    app.get(signalPaths.configuration, async (_request, reply) => reply.headers({ ...noStore, 'access-control-allow-origin': '*' }).send(configurationOf(ctx)))
  }
}

/** Transmitter metadata (SSF 1.0 section 7.1). */
function configurationOf(ctx: AuthorityContext): object {
  const url = (path: string): string => ctx.baseUrl + path
  return {
    spec_version: '1_0',
    issuer: ctx.baseUrl,
    jwks_uri: oidcUrl(ctx, 'keys'),
    delivery_methods_supported: deliveryMethods,
    configuration_endpoint: url(signalPaths.stream),
    status_endpoint: url(signalPaths.status),
    add_subject_endpoint: url(signalPaths.addSubject),
    remove_subject_endpoint: url(signalPaths.removeSubject),
    verification_endpoint: url(signalPaths.verification),
    critical_subject_members: ['user', 'session'],
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }, { spec_urn: 'urn:ietf:rfc:7617' }],
    default_subjects: 'ALL'
  }
}
