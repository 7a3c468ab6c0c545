import {
  type CarriedArtifact,
  CurfewError,
  carriedArtifact,
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodeSoap,
  isCurfewError,
  messageLimits,
  openArtifactResponse,
  type Received,
  serialiseArtifactResolve,
  signMessage,
  soapAction
} from '@curfew/codecs'
import type { FastifyRequest } from 'fastify'
import type { OutboundResponse } from '../../platform/outbound.ts'
import type { AuthorityContext } from '../context.ts'
import { formPairs, rawQuery } from '../request.ts'
import type { SamlPartner } from './connection.ts'
import { instant } from './endpoints.ts'
import { requireBinding } from './partner.ts'

type ResolveDeps = Pick<AuthorityContext, 'saml' | 'ids' | 'clock' | 'outbound'>

/** A browser waits for the answer: longer than this it is not kept. */
export const resolveTimeoutMs = 5_000

/** The artifact of a request; undefined where it carries a message or nothing. */
export function artifactOf(request: FastifyRequest): CarriedArtifact | undefined {
  return carriedArtifact(request.method === 'POST' ? formPairs(request) : new URLSearchParams(rawQuery(request)))
}

/**
 * The message of a request: in it, by Redirect or POST, or behind its artifact.
 * @param issuers - the partners that a SourceID can mean here
 */
export function receiveMessage(ctx: ResolveDeps, request: FastifyRequest, issuers: (sourceId: string) => readonly SamlPartner[]): Promise<Received> | Received {
  const carried = artifactOf(request)
  if (carried !== undefined) return resolveArtifact(ctx, issuers(carried.artifact.sourceId), carried)
  return request.method === 'POST' ? decodePost(formPairs(request)) : decodeRedirect(rawQuery(request))
}

/**
 * Asks the issuer of an artifact for the message that it stands for. What comes back speaks for that issuer alone.
 * The address is one of the connection, never of the request: of the artifact only names are used, to find it.
 * @throws CURFEW_SAML_PEER_UNKNOWN, CURFEW_SAML_BINDING_REFUSED, CURFEW_SAML_ARTIFACT_ENDPOINT, the codes of the
 *   outbound door, CURFEW_SAML_PEER_HTTP, CURFEW_SAML_ANSWER_NOT_SAML and those of `openArtifactResponse`
 * @see saml-bindings-2.0-os section 3.6.5
 */
export async function resolveArtifact(ctx: ResolveDeps, issuers: readonly SamlPartner[], carried: CarriedArtifact): Promise<Received> {
  const { partner, url } = resolverOf(issuers, carried)
  const requestId = ctx.ids.message()
  const parts = serialiseArtifactResolve({
    kind: 'ArtifactResolve',
    id: requestId,
    issuer: ctx.saml.entityId,
    issueInstant: instant(ctx.clock.nowMs()),
    destination: url,
    artifact: carried.text
  })
  const answer = await ask(ctx, partner, url, encodeSoap(await signMessage(parts, partner.signing)))
  requireXml(answer, partner)
  const { relayState } = carried
  return openArtifactResponse(decodeSoap(answer.body), partner.verification, { requestId, ...(relayState === undefined ? {} : { relayState }) })
}

interface Resolver {
  readonly partner: SamlPartner
  readonly url: string
}

/** Before anything is sent: who is meant, may it send artifacts, and where does it keep them. */
function resolverOf(issuers: readonly SamlPartner[], { artifact }: CarriedArtifact): Resolver {
  const [first] = issuers
  if (first === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { sourceId: artifact.sourceId })
  const allowed = issuers.filter(({ incomingBindings }) => incomingBindings.has('artifact'))
  if (allowed.length === 0) requireBinding(first, { binding: 'artifact' })
  for (const partner of allowed) {
    const service = partner.artifactResolution.find(({ index }) => index === artifact.endpointIndex)
    if (service !== undefined) return { partner, url: service.url }
  }
  throw new CurfewError('CURFEW_SAML_ARTIFACT_ENDPOINT', { connection: first.id, index: artifact.endpointIndex })
}

/** With places of its own at the outbound door: made-up artifacts must not keep the partner from being told of logouts. */
async function ask({ outbound }: ResolveDeps, partner: SamlPartner, url: string, body: string): Promise<OutboundResponse> {
  try {
    return await outbound.request({
      peerId: `${partner.id}:artifact`,
      url,
      method: 'POST',
      headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: soapAction },
      body,
      timeoutMs: resolveTimeoutMs,
      responseBytesMax: messageLimits.documentBytesMax
    })
  } catch (cause) {
    throw isCurfewError(cause) ? cause : new CurfewError('CURFEW_SAML_PEER_UNREACHABLE', { connection: partner.id }, { cause })
  }
}

function requireXml({ status, headers }: OutboundResponse, partner: SamlPartner): void {
  const isXml = headers['content-type']?.includes('xml') ?? false
  // A fault is read for what it is.
  if (status !== 200 && !(status === 500 && isXml)) throw new CurfewError('CURFEW_SAML_PEER_HTTP', { connection: partner.id, status })
  if (!isXml) throw new CurfewError('CURFEW_SAML_ANSWER_NOT_SAML', { connection: partner.id })
}
