import type { KoaContextWithOIDC } from 'oidc-provider'
import type { AuthorityContext } from '../context.ts'
import { type AccountUser, liveAccount } from './account.ts'
import { signAccessToken } from './access-token.ts'
import { keyOf } from './artifact-key.ts'
import { offlineAccount } from './offline-grant.ts'

/**
 * The last look before tokens leave: a session that ended while they were made takes them back. Every ID token that
 * leaves is therefore older than the logout token of its session, and a client that compares the two (as the SDK's
 * registry does) opens no session from it however late it arrives.
 */
export function holdBackEnded(ctx: Pick<AuthorityContext, 'store' | 'clock'>): (oidc: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void> {
  return async (oidc, next) => {
    await next()
    const call = oidc.oidc as KoaContextWithOIDC['oidc'] | undefined
    if (call?.route !== 'token' || oidc.status !== 200) return
    const accountId = call.account?.accountId
    if (accountId === undefined || (await liveAccount(ctx, accountId)) !== undefined) return
    const { scope } = oidc.body as { readonly scope?: string }
    const isOffline = scope?.split(' ').includes('offline_access') ?? false
    if (isOffline && (await offlineAccount(ctx, accountId, call.client?.clientId ?? '')) !== undefined) return
    refuse(oidc)
  }
}

/**
 * Clients with self-contained access tokens get theirs signed here. The engine has recorded an opaque one, whose value
 * nobody ever sees: it is the record that userinfo, introspection and revocation go by.
 */
export function signSelfContained(ctx: AuthorityContext): (oidc: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void> {
  return async (oidc, next) => {
    await next()
    const call = oidc.oidc as KoaContextWithOIDC['oidc'] | undefined
    const client = ctx.clients.byClientId(call?.client?.clientId ?? '')
    // A token by client credentials has no person behind it, and is read here only.
    if (call?.route !== 'token' || oidc.status !== 200 || client?.accessTokenAudience === undefined || call.params?.['grant_type'] === 'client_credentials')
      return
    const body = oidc.body as { readonly access_token: string }
    const record = await ctx.store.getArtifact('AccessToken', keyOf(body.access_token), ctx.clock.nowMs())
    const user = (call.account as { readonly user?: AccountUser } | undefined)?.user
    if (record === undefined || user === undefined) return refuse(oidc)
    oidc.body = { ...body, access_token: await signAccessToken(ctx, client, user, record) }
  }
}

function refuse(oidc: KoaContextWithOIDC): void {
  oidc.status = 400
  oidc.body = { error: 'invalid_grant', error_description: 'the session has ended' }
}
