import { type AuthnRequest, bindingUri, type NameIDPolicy, nameIdFormat, serialiseAuthnRequest } from '@curfew/codecs'
import type { BrowserInstruction } from '../../engine/sender.ts'
import type { AuthorityContext } from '../context.ts'
import type { IdpConnection } from '../saml/connection.ts'
import { assertionConsumerUrl, instant } from '../saml/endpoints.ts'
import { instruct } from '../saml/logout-message.ts'
import type { ProviderWish } from '../sign-on/finish-sign-on.ts'
import type { Asker } from '../upstream/arrival.ts'

export interface SignInWish {
  readonly provider: IdpConnection
  readonly nonce: string
  readonly formHash: string
  readonly forceAuthn: boolean
  readonly isPassive: boolean
  readonly hints: ProviderWish['hints']
}

/**
 * Asks an identity provider to sign the user in. The request is remembered before the browser leaves with it.
 * @see saml-profiles-2.0-os section 4.1.4.1
 */
export async function requestSignIn(ctx: AuthorityContext, wish: SignInWish): Promise<BrowserInstruction> {
  const { provider, nonce, formHash } = wish
  const id = ctx.ids.message()
  const nowMs = ctx.clock.nowMs()
  const pending: Asker = { providerId: provider.id, nonce, formHash, ...(wish.forceAuthn ? { provedAfterMs: nowMs } : {}) }
  await ctx.store.txCreate(pendingKey(id), pending, nowMs + ctx.transactionMs)
  const parts = serialiseAuthnRequest({
    kind: 'AuthnRequest',
    id,
    issuer: ctx.saml.entityId,
    issueInstant: instant(nowMs),
    destination: provider.singleSignOn.url,
    assertionConsumerServiceURL: assertionConsumerUrl(ctx),
    protocolBinding: bindingUri(provider.responseBinding),
    forceAuthn: wish.forceAuthn,
    isPassive: wish.isPassive,
    nameIdPolicy: policyOf(provider),
    ...contextOf(wish.hints)
  })
  return instruct(ctx.artifacts, provider, { ...provider.singleSignOn, parameter: 'SAMLRequest' }, parts, undefined)
}

/** Any of the contexts that the application demands will do. SAML has no word for those that it only wishes for. */
function contextOf({ acrValues, mustMeetAcr }: ProviderWish['hints']): Pick<AuthnRequest, 'requestedAuthnContext'> {
  const classRefs = (mustMeetAcr === true ? (acrValues ?? '') : '').split(' ').filter(Boolean).slice(0, classRefsMax)
  return classRefs.length === 0 ? {} : { requestedAuthnContext: { comparison: 'exact', classRefs } }
}

/** Most contexts of which an identity provider is told. */
const classRefsMax = 32

/** Looks without taking: a forged answer must not use the request up. */
export async function readPending(ctx: AuthorityContext, requestId: string): Promise<Asker | undefined> {
  return (await ctx.store.txGet(pendingKey(requestId), ctx.clock.nowMs())) as Asker | undefined
}

/** Exactly one answer gets the request. */
export async function takePending(ctx: AuthorityContext, requestId: string): Promise<Asker | undefined> {
  return (await ctx.store.txTake(pendingKey(requestId), ctx.clock.nowMs())).value as Asker | undefined
}

function policyOf(provider: IdpConnection): NameIDPolicy {
  const { nameIdFormat: kind } = provider
  return { allowCreate: true, ...(kind === undefined ? {} : { format: nameIdFormat[kind] }) }
}

function pendingKey(requestId: string): string {
  return `authn-request:${requestId}`
}
