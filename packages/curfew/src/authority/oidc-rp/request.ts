import { createHash } from 'node:crypto'
import * as client from 'openid-client'
import type { AuthorityContext } from '../context.ts'
import type { ProviderWish } from '../sign-on/finish-sign-on.ts'
import type { Asker } from '../upstream/arrival.ts'
import { oidcRpUrl } from './endpoints.ts'
import type { OpenIdUpstream } from './upstreams.ts'

/** A sign-in that waits for a provider's answer. */
export interface PendingSignIn extends Asker {
  readonly oidcNonce: string
  readonly verifier: string
  /** The provider was not allowed to show a page. */
  readonly isPassive: boolean
}

export interface SignInWish extends Pick<ProviderWish, 'hints'> {
  readonly upstream: OpenIdUpstream
  readonly nonce: string
  readonly formHash: string
  readonly forceAuthn: boolean
  readonly isPassive: boolean
}

const scopesDefault = ['openid', 'profile', 'email']

/**
 * The address at which a provider signs the user in. What the answer has to fit is remembered before the browser leaves.
 * @throws CURFEW_OIDC_PROVIDER when the provider's configuration can not be read
 * @see OpenID Connect Core 1.0 section 3.1.2.1, RFC 7636, RFC 9700
 */
export async function authorizationUrl(ctx: AuthorityContext, wish: SignInWish): Promise<string> {
  const { upstream, nonce, formHash, forceAuthn, isPassive, hints } = wish
  const configuration = await ctx.upstreams.configuration(upstream.id)
  const state = ctx.ids.persistentCookie()
  const pending: PendingSignIn = {
    providerId: upstream.id,
    nonce,
    formHash,
    isPassive,
    ...(forceAuthn ? { provedAfterMs: ctx.clock.nowMs() } : {}),
    oidcNonce: ctx.ids.persistentCookie(),
    verifier: ctx.ids.persistentCookie() + ctx.ids.persistentCookie()
  }
  await ctx.store.txCreate(keyOf(state), pending, ctx.clock.nowMs() + ctx.transactionMs)
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: oidcRpUrl(ctx, 'callback', upstream.id),
    scope: (upstream.settings.scopes ?? scopesDefault).join(' '),
    state,
    nonce: pending.oidcNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
    ...(hints.loginHint === undefined || hints.loginHint === '' ? {} : { login_hint: hints.loginHint }),
    ...(hints.acrValues === undefined ? {} : { acr_values: hints.acrValues }),
    ...(hints.uiLocales === undefined ? {} : { ui_locales: hints.uiLocales }),
    ...(isPassive ? { prompt: 'none' } : forceAuthn ? { prompt: 'login', max_age: '0' } : {})
  })
  return url.href
}

/** Looks without taking: an answer that does not fit must not use the request up. */
export async function readPending(ctx: AuthorityContext, state: string): Promise<PendingSignIn | undefined> {
  return (await ctx.store.txGet(keyOf(state), ctx.clock.nowMs())) as PendingSignIn | undefined
}

/** Exactly one answer gets the request. */
export async function takePending(ctx: AuthorityContext, state: string): Promise<PendingSignIn | undefined> {
  return (await ctx.store.txTake(keyOf(state), ctx.clock.nowMs())).value as PendingSignIn | undefined
}

function keyOf(state: string): string {
  return `openid-request:${createHash('sha256').update(state).digest('base64url')}`
}
