import {
  decodeSoap,
  encodeSoap,
  isCurfewError,
  type Received,
  serialiseArtifactResponse,
  signMessage,
  status,
  validateArtifactResolve,
  verifyArtifactResolve
} from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'
import type { SamlPartner } from './connection.ts'
import { artifactResolutionUrl, instant } from './endpoints.ts'
import { partnerOf } from './partner.ts'
import type { SamlRole } from './settings.ts'
import { noteRefusal, sendSoapFault } from './soap-refusal.ts'

/**
 * `/idp/ARS.ssaml2` and `/sp/ARS.ssaml2`: a partner exchanges an artifact for the message it stands for, once. Whoever
 * is not the one that the message is for, or can't prove to be, or asks again or too late, gets an answer without a
 * message, as the standard has it; only a body that is no SAML message of a known partner gets a fault.
 * @see saml-core-2.0-os section 3.5.3
 */
export async function receiveArtifactResolve(ctx: AuthorityContext, own: SamlRole, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  let received: Received
  let connection: SamlPartner
  try {
    received = decodeSoap(request.body instanceof Uint8Array ? request.body : new Uint8Array())
    connection = partnerOf(ctx, received, own)
  } catch (error) {
    if (!isCurfewError(error)) throw error
    noteRefusal(ctx, 'artifact.refused', error, request)
    return sendSoapFault(reply, request)
  }
  const message = await handOut(ctx, own, { connection, received }, request)
  const parts = serialiseArtifactResponse(
    {
      kind: 'ArtifactResponse',
      id: ctx.ids.message(),
      issuer: ctx.saml.entityId,
      issueInstant: instant(ctx.clock.nowMs()),
      inResponseTo: received.claimed.id,
      status: status.success()
    },
    message
  )
  return reply.headers({ ...noStore, 'content-type': 'text/xml; charset=utf-8' }).send(encodeSoap(await signMessage(parts, connection.signing)))
}

/** The message, or undefined with the reason in the log. */
async function handOut(
  ctx: AuthorityContext,
  own: SamlRole,
  { connection, received }: { readonly connection: SamlPartner; readonly received: Received },
  request: FastifyRequest
): Promise<string | undefined> {
  try {
    const message = verifyArtifactResolve(received, connection.verification)
    const { clockSkewSeconds: skewSeconds } = ctx.saml
    validateArtifactResolve(message, { now: instant(ctx.clock.nowMs()), destinations: [artifactResolutionUrl(ctx, own)], skewSeconds })
    const xml = await ctx.artifacts.take(connection.id, message.artifact)
    const event = xml === undefined ? 'artifact.unknown' : 'artifact.resolved'
    ctx.logger.info(
      { event, connection: connection.id, reference: request.id },
      `Artifact ${xml === undefined ? 'unknown to' : 'resolved for'} ${connection.id}`
    )
    return xml
  } catch (error) {
    if (!isCurfewError(error)) throw error
    noteRefusal(ctx, 'artifact.refused', error, request)
    return undefined
  }
}
