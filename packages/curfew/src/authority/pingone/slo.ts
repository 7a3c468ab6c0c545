import { CurfewError, type Received } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { parametersOf } from '../request.ts'
import type { SamlPartner } from '../saml/connection.ts'
import { artifactIssuers } from '../saml/partner.ts'
import type { LogoutDoor } from '../saml/logout-door.ts'
import { receiveLogoutMessageAt } from '../saml/slo.ts'
import { carriesIdpid } from './idpid.ts'

/**
 * `/sso/SLO.saml2`: logout messages of SAML partners of either role, through the browser. `idpid` stands outside of the
 * signature, so it may only narrow what the signed request ends.
 * @throws CURFEW_PINGONE_NOT_SAML for a request that carries no SAML message
 */
export async function receivePingOneSlo(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const query = request.query as Readonly<Record<string, unknown>>
  const body = (request.body ?? {}) as Readonly<Record<string, unknown>>
  const isSaml = ['SAMLRequest', 'SAMLResponse', 'SAMLart'].some((name) => name in query || name in body)
  if (!isSaml) throw new CurfewError('CURFEW_PINGONE_NOT_SAML', { path: request.routeOptions.url ?? '' })
  return receiveLogoutMessageAt(ctx, doorOf(ctx, parameters['idpid']), request, reply)
}

function doorOf(ctx: AuthorityContext, idpid: string | undefined): LogoutDoor {
  const address = `${ctx.baseUrl}${ctx.pingOne.prefix}SLO.saml2`
  const plain = [address, `${address}/`]
  return {
    partnersOf: (received) => partnersOf(ctx, received),
    issuersOf: (sourceId) => [...artifactIssuers(ctx, 'idp', sourceId), ...artifactIssuers(ctx, 'sp', sourceId)],
    destinations: idpid === undefined ? plain : [...plain, ...plain.map((one) => `${one}?idpid=${encodeURIComponent(idpid)}`)],
    includes: (session) => carriesIdpid(ctx, session, idpid)
  }
}

/** Applications and identity providers come to the same address. @throws CURFEW_SAML_PEER_UNKNOWN */
function partnersOf(ctx: AuthorityContext, { claimed: { issuer = '' } }: Received): readonly SamlPartner[] {
  const partners = [ctx.connections.application(issuer), ctx.connections.identityProvider(issuer)].filter((one) => one !== undefined)
  if (partners.length === 0) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { issuer: issuer.slice(0, 120) })
  return partners
}
