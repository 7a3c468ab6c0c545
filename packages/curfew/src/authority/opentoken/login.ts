import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { sendInstruction } from '../reply.ts'
import { browserOf } from '../sign-on/browser-session.ts'
import type { ProviderWish } from '../sign-on/finish-sign-on.ts'
import type { Identity } from '../sign-on/sign-in.ts'
import { type Asker, withStoredKey } from '../upstream/arrival.ts'
import { keepWaiting } from '../upstream/waiting.ts'
import type { LoginAdapter } from './adapter.ts'
import { readSaid, type Said, strictParameters } from './answer.ts'
import { cookieOf } from './carry.ts'
import { resumeRoutes } from './resume-path.ts'
import { requireFirst } from './token-use.ts'

/** Sends the browser of a sign-on transaction to the Authentication Service of an application. */
export async function askLogin(
  ctx: AuthorityContext,
  adapter: LoginAdapter,
  wish: ProviderWish,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const nonce = ctx.ids.cookie()
  const asker: Asker = { providerId: adapter.id, nonce: wish.nonce, formHash: wish.formHash }
  await ctx.store.txCreate(pendingKey(nonce), asker, ctx.clock.nowMs() + ctx.transactionMs)
  const url = new URL(adapter.authenticationService)
  for (const name of adapter.resumeNames) url.searchParams.set(name, resumeRoutes.login.replace(':nonce', nonce))
  return sendInstruction(ctx, request, reply, { method: 'redirect', url: url.href })
}

/**
 * `/idp/<nonce>/resume/idp/startSSO.ping`: the browser comes back from the application that signed it in. The token is
 * proven and used up; whether this browser may have the session is decided where its cookies show for certain, at the
 * path of every arrival.
 * @throws CURFEW_SESSION_STATE_NOT_FOUND, CURFEW_SESSION_FORM_FOREIGN, CURFEW_OPENTOKEN_REPLAYED, and the codes of tokens
 */
export async function resumeLogin(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { nonce } = request.params as { readonly nonce: string }
  const asker = (await ctx.store.txGet(pendingKey(nonce), ctx.clock.nowMs())) as Asker | undefined
  const adapter = asker === undefined ? undefined : ctx.adapters.byId(asker.providerId)
  if (asker === undefined || adapter?.role !== 'idp') throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  // Only a form of another site comes without cookies.
  if (request.method === 'GET' && asker.formHash !== browserOf(ctx, request).formHash) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  const said = await readSaid(ctx, adapter, strictParameters(adapter, request), request)
  await requireFirst(ctx, adapter, said, ctx.clock.nowMs())
  if ((await ctx.store.txTake(pendingKey(nonce), ctx.clock.nowMs())).value === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  if (adapter.transport === 'cookie') reply.header('set-cookie', cookieOf(adapter, ''))
  const nowMs = ctx.clock.nowMs()
  const arrival = withStoredKey(ctx, {
    providerId: adapter.id,
    protocol: 'opentoken',
    nameId: { value: said.subject },
    sessionIndex: '',
    identity: identityOf(adapter, said, nowMs),
    issuedAtMs: nowMs,
    notOnOrAfterMs: said.untilMs
  })
  return keepWaiting(ctx, 'opentoken', { arrival, asker }, reply)
}

const unspecifiedContext = 'urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified'

function identityOf(adapter: LoginAdapter, { subject, attributes, authnContext }: Said, nowMs: number): Identity {
  const mapped = Object.entries(adapter.attributes).flatMap(([name, own]) => (attributes[name] === undefined ? [] : [[own, attributes[name]] as const]))
  return {
    userKey: `${adapter.id}:${subject}`,
    username: subject,
    sourceId: adapter.id,
    attributes: Object.fromEntries(mapped),
    authnContext: authnContext ?? unspecifiedContext,
    authenticatedAtMs: nowMs
  }
}

function pendingKey(nonce: string): string {
  return `opentoken-login:${nonce}`
}
