import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { parametersOf } from '../request.ts'
import type { ApplicationAdapter } from './adapter.ts'
import { openApplication } from './sign-on.ts'

export const adapterToAdapterPath = '/pf/adapter2adapter.ping'

/** The application that `SpSessionAuthnAdapterId` names. @throws CURFEW_OPENTOKEN_ADAPTER_UNKNOWN */
export function applicationOf(ctx: Pick<AuthorityContext, 'adapters'>, id: string | undefined): ApplicationAdapter {
  const all = ctx.adapters.applications()
  const found = id === undefined && all.length === 1 ? all[0] : all.find((adapter) => adapter.id === id)
  if (found === undefined) throw new CurfewError('CURFEW_OPENTOKEN_ADAPTER_UNKNOWN', { parameter: 'SpSessionAuthnAdapterId' })
  return found
}

/**
 * `/pf/adapter2adapter.ping`: from an authentication source of this server to an application of this server, without a
 * protocol in between. `IdpAdapterId` names the source (the form, or an IdP adapter); absent: whichever the person uses.
 */
export async function startAdapterToAdapter(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const adapter = applicationOf(ctx, parameters['SpSessionAuthnAdapterId'])
  return openApplication(ctx, adapter, { parameters, providerId: parameters['IdpAdapterId'] }, request, reply)
}
