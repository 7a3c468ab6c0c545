import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createRateWindow, type RateWindow } from '../../platform/rate-window.ts'
import type { AuthorityContext } from '../context.ts'
import { noStore, parametersOf } from '../request.ts'
import { buryLateTokens } from '../saml/tombstone.ts'
import { upstreamOf } from './callback.ts'
import { endUpstreamSessions } from './end-sessions.ts'

const sidCharactersMax = 1024
/** Frames of one address in a minute whose `sid` is remembered, and of all addresses, at each node: anybody can ask for one. */
const rememberedPerAddressMax = 60
const rememberedMax = 1_000

/** What frames may make this node remember. */
export interface FrameMemory {
  readonly ofAddress: RateWindow
  readonly ofAll: RateWindow
}

export function createFrameMemory(): FrameMemory {
  return { ofAddress: createRateWindow(rememberedPerAddressMax), ofAll: createRateWindow(rememberedMax) }
}

/**
 * `/sp/<provider>/frontchannel-logout.openid`: a hidden frame on the provider's page says that a session has ended.
 * The frame comes without cookies, so the session is found by `sid`, which only the provider and this authority know;
 * without it nothing ends, because then any page could end the session of its visitor.
 * What nobody signed makes this node remember so much and no more: beyond it a frame still ends the session that is there.
 * @throws CURFEW_OIDC_TOKEN_CLAIM for another issuer, or without `sid`
 * @see OpenID Connect Front-Channel Logout 1.0 section 3
 */
export async function receiveFrame(ctx: AuthorityContext, memory: FrameMemory, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const upstream = upstreamOf(ctx, request)
  const { iss, sid } = parametersOf(request)
  const { issuer, logout } = upstream.settings
  const isFromIssuer = iss === undefined ? logout?.acceptMissingIss === true : iss === issuer
  if (!isFromIssuer) throw new CurfewError('CURFEW_OIDC_TOKEN_CLAIM', { connection: upstream.id, claim: 'iss' })
  if (sid === undefined || sid === '' || sid.length > sidCharactersMax)
    throw new CurfewError('CURFEW_OIDC_TOKEN_CLAIM', { connection: upstream.id, claim: 'sid' })
  ctx.metrics.logoutMessages.inc({ peer: upstream.id, binding: 'front-channel', kind: 'FrontChannelLogout' })
  const issuedAtMs = ctx.clock.nowMs()
  // Before the look-up: a sign-in that is on its way meets the tombstone, or this frame meets its session.
  if (memory.ofAddress.take(request.ip, issuedAtMs) && memory.ofAll.take('', issuedAtMs)) await buryLateTokens(ctx, upstream.id, { sid, issuedAtMs })
  await endUpstreamSessions(ctx, upstream, { sid, issuedAtMs, binding: 'front-channel', messageId: sid })
  return reply
    .headers({
      ...noStore,
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${new URL(issuer).origin}`,
      'cross-origin-resource-policy': 'cross-origin'
    })
    .send('<!doctype html><html lang="en"><meta charset="utf-8"><title>Curfew</title></html>')
}
