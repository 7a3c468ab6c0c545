import { isCurfewError } from '@curfew/codecs'
import { type Account, type Configuration, errors, type Grant, interactionPolicy, type KoaContextWithOIDC, Provider } from 'oidc-provider'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { type AccountUser, claimsFor, keepOfflineAccount, liveAccount, presentUser } from './account.ts'
import { artifactAdapter, type OnIssue } from './artifacts.ts'
import { canBeMet, essentialContexts } from './authentication-context.ts'
import type { OidcClient } from './client.ts'
import { isSecretOf } from './client-secret.ts'
import { agree, claimsOfScopes, ownClaimsOf, passOver } from './consent.ts'
import { scopesOf } from './discovery.ts'
import { oidcPaths } from './endpoints.ts'
import { holdGeneration } from './grant-generation.ts'
import { grantIdOf } from './grant-name.ts'
import { offlineAccount } from './offline-grant.ts'
import { clientAdapter, metadataOf } from './engine-client.ts'
import { readIdTokenHint } from './id-token-hint.ts'
import { isOfSubject } from './mutual-tls/certificate-subject.ts'
import { recordClient, recordOfflineGrant, sidOf } from './participant.ts'
import { innerSessionCookie, requestScope } from './scope.ts'
import type { TokenKey } from './settings.ts'
import { sessionStateFor } from './session-state.ts'
import { recordValidation, userBehind } from './session-validation.ts'
import { receiversOf } from '../shared-signals/owed.ts'
import { signalScopes } from '../shared-signals/receiver-access.ts'
import { subjectOf } from './subject.ts'
import { holdBackEnded, signSelfContained } from './token-answer.ts'

/** An account of the library, with what lies behind it. */
interface OurAccount extends Account {
  readonly user: AccountUser
}

/**
 * The engine for authorize, token, PAR, DPoP, userinfo, keys and discovery. Sessions, logout, introspection and
 * revocation are ours: an account of the engine is one session of ours, and worth nothing when that has ended.
 */
export function createProvider(ctx: AuthorityContext): Provider {
  const algorithms = [...new Set(ctx.oidc.keys.flatMap((key) => key.algorithms))]
  const configuration: Configuration = {
    adapter: (kind: string) =>
      kind === 'Client' ? clientAdapter(ctx) : artifactAdapter(ctx, kind, onIssue(ctx), () => new errors.InvalidGrant('it was used before')),
    clients: ctx.clients.configured().map(metadataOf),
    jwks: { keys: ctx.oidc.keys.map(jwkOf) },
    routes: {
      authorization: oidcPaths.authorization,
      jwks: oidcPaths.keys,
      pushed_authorization_request: oidcPaths.pushedAuthorization,
      token: oidcPaths.token,
      userinfo: oidcPaths.userinfo
    },
    cookies: {
      keys: [...ctx.oidc.cookieSecrets],
      names: { session: innerSessionCookie, interaction: 'PF.OP.INTERACTION', resume: 'PF.OP.RESUME' },
      // Never sent: the signature would only have to be made up as well.
      long: { signed: false },
      short: { signed: true, httpOnly: true, sameSite: 'lax', secure: ctx.baseUrl.startsWith('https:') }
    },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      backchannelLogout: { enabled: false },
      introspection: { enabled: false },
      revocation: { enabled: false },
      userinfo: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      dPoP: { enabled: true },
      clientCredentials: { enabled: receiversOf(ctx).length > 0 },
      jwtResponseModes: { enabled: true },
      claimsParameter: { enabled: true },
      encryption: { enabled: true },
      mTLS: {
        enabled: ctx.clientCertificates.isOn,
        certificateBoundAccessTokens: true,
        selfSignedTlsClientAuth: true,
        tlsClientAuth: true,
        getCertificate: () => requestScope.getStore()?.certificate?.certificate,
        certificateAuthorized: () => requestScope.getStore()?.certificate?.isTrusted ?? false,
        certificateSubjectMatches: (oidc) => isNamedIn(ctx, oidc)
      }
    },
    scopes: [...scopesOf(ctx), ...signalScopes],
    claims: {
      openid: ['sub', 'sid', 'pi.sri', 'acr', 'amr', 'auth_time', 'iss', ...ownClaims(ctx.clients.configured())],
      profile: [...claimsOfScopes.profile],
      email: [...claimsOfScopes.email]
    },
    conformIdTokenClaims: false,
    responseTypes: ['code'],
    // Every client has its own name for the user, so that ours, the session, never leaves.
    subjectTypes: ['public', 'pairwise'],
    pairwiseIdentifier: (oidc, accountId, client) => subjectFor(ctx, accountId, client.clientId, knownUser(oidc, accountId)),
    sectorIdentifierUriValidate: () => false,
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'none',
      ...(ctx.clientCertificates.isOn ? (['tls_client_auth', 'self_signed_tls_client_auth'] as const) : [])
    ],
    enabledJWA: {
      idTokenSigningAlgValues: algorithms,
      idTokenEncryptionAlgValues: ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES'],
      idTokenEncryptionEncValues: ['A128CBC-HS256', 'A256GCM'],
      clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      dPoPSigningAlgValues: ['ES256', 'RS256', 'PS256', 'EdDSA'],
      authorizationSigningAlgValues: algorithms
    },
    pkce: { required: (_ctx, client) => ctx.clients.byClientId(client.clientId)?.requirePkce ?? true },
    ttl: {
      AccessToken: (_ctx, token) => clientOf(ctx, token.clientId ?? '').accessTokenSeconds,
      AuthorizationCode: 60,
      ClientCredentials: 600,
      Grant: (_ctx, grant) => clientOf(ctx, grant.clientId ?? '').refreshTokenSeconds,
      IdToken: (_ctx, _token, client) => clientOf(ctx, client.clientId).idTokenSeconds,
      Interaction: ctx.transactionMs / 1000,
      RefreshToken: (_ctx, token) => clientOf(ctx, token.clientId ?? '').refreshTokenSeconds,
      Session: 600
    },
    interactions: { url: (_ctx, interaction) => `${oidcPaths.interaction}/${interaction.uid}`, policy: policyOf(ctx) },
    findAccount: (oidc, accountId, token) => findAccount(ctx, oidc, accountId, token),
    loadExistingGrant: (oidc) => loadGrant(ctx, oidc),
    issueRefreshToken: async (_ctx, client, code) =>
      clientOf(ctx, client.clientId).refreshTokens && (code.scopes.has('openid') || code.scopes.has('offline_access')),
    expiresWithSession: async () => false,
    rotateRefreshToken: true,
    clientBasedCORS: (_ctx, origin, client) => clientOf(ctx, client.clientId).redirectUris.some((uri) => URL.parse(uri)?.origin === origin),
    fetch: (url) => ctx.fetchKeys(url instanceof Request ? url.url : url.toString()),
    renderError: (oidc, out) => renderError(ctx, oidc, out)
  }
  const provider = new Provider(ctx.baseUrl, configuration)
  provider.proxy = true
  nameGroup(provider, ctx.ids.group)
  compareSecretsAs(provider, ctx)
  provider.use(holdBackEnded(ctx))
  provider.use(signSelfContained(ctx))
  provider.on('authorization.success', (oidc, out?: Record<string, unknown>) => {
    const { client_id: clientId, redirect_uri: redirectUri } = oidc.oidc.params ?? {}
    const state = sessionStateFor(ctx, { clientId: String(clientId), redirectUri: String(redirectUri), session: requestScope.getStore()?.session })
    if (out !== undefined && state !== undefined) out['session_state'] = state
  })
  provider.on('server_error', (_ctx, error) => ctx.logger.error({ event: 'oidc.failed', err: error }, 'The OpenID engine failed'))
  return provider
}

/** The engine knows the hash alone of secrets that this server made. */
function compareSecretsAs(provider: Provider, ctx: AuthorityContext): void {
  const prototype = provider.Client.prototype as unknown as { compareClientSecret(actual: string): boolean }
  prototype.compareClientSecret = function compare(this: { readonly clientId: string }, actual) {
    return isSecretOf(ctx.clients.byClientId(this.clientId), actual)
  }
}

function clientOf(ctx: Pick<AuthorityContext, 'clients'>, clientId: string): OidcClient {
  const client = ctx.clients.byClientId(clientId)
  if (client === undefined) throw new errors.InvalidClient('client is unknown')
  return client
}

/** The engine compares nothing itself: it is asked here whether the certificate is of the client that it has found. */
function isNamedIn(ctx: AuthorityContext, oidc: KoaContextWithOIDC): boolean {
  const subject = ctx.clients.byClientId(oidc.oidc.client?.clientId ?? '')?.certificateSubject
  const shown = requestScope.getStore()?.certificate
  return subject !== undefined && shown !== undefined && isOfSubject(shown.certificate, subject)
}

function jwkOf(key: TokenKey): { kid: string; use: string; kty: string } {
  return { ...(key.key.export({ format: 'jwk' }) as { kty: string }), kid: key.kid, use: 'sig' }
}

/** Claims that single clients map, beside those of the standard scopes. */
function ownClaims(clients: readonly OidcClient[]): readonly string[] {
  return [...new Set(clients.flatMap(ownClaimsOf))]
}

/** The user whom this request was judged by already; whether the session is still live is looked at before tokens leave. */
function knownUser(oidc: KoaContextWithOIDC, accountId: string): AccountUser | undefined {
  const account = oidc.oidc.account as OurAccount | undefined
  return account?.accountId === accountId ? account.user : undefined
}

async function subjectFor(ctx: AuthorityContext, accountId: string, clientId: string, judged?: AccountUser): Promise<string> {
  const client = clientOf(ctx, clientId)
  if (judged !== undefined) return subjectOf(ctx, client, judged)
  const known = (await liveAccount(ctx, accountId)) ?? (await offlineAccount(ctx, accountId, clientId))
  const user = known ?? (client.sessionValidation.checkValidAuthnSession ? undefined : await ctx.store.getSession(accountId as AccountUser['id']))
  if (user === undefined) throw new errors.InvalidGrant('the session has ended')
  return subjectOf(ctx, client, user)
}

/** The session behind a code or token. After its end only an offline grant is worth something. */
async function findAccount(
  ctx: AuthorityContext,
  oidc: KoaContextWithOIDC,
  accountId: string,
  token: { readonly kind?: string; readonly clientId?: string | undefined; readonly scopes?: Set<string> } | undefined
): Promise<OurAccount | undefined> {
  const isOffline = token?.scopes?.has('offline_access') ?? false
  const isAccessToken = token?.kind === 'AccessToken'
  const holder = token?.clientId ?? oidc.oidc.client?.clientId
  const user = holder === undefined ? await liveAccount(ctx, accountId) : await userBehind(ctx, clientOf(ctx, holder), { accountId, isAccessToken, isOffline })
  if (user === undefined) return undefined
  if (isAccessToken && holder !== undefined) await recordValidation(ctx, clientOf(ctx, holder), accountId)
  const claims = async (use: string): Promise<{ sub: string }> => {
    const clientId = oidc.oidc.client?.clientId
    const now = use === 'userinfo' ? await presentUser(ctx, user) : user
    return { ...(clientId === undefined ? {} : claimsFor(ctx, clientOf(ctx, clientId), now)), sub: accountId }
  }
  return { accountId, user, claims }
}

/**
 * One grant per session and client, with what the person agreed to, or everything where nobody is asked; the `sid` of
 * the tokens is ours.
 */
async function loadGrant(ctx: AuthorityContext, oidc: KoaContextWithOIDC): Promise<Grant | undefined> {
  const { client: asked, session, provider, account, result } = oidc.oidc
  if (asked === undefined || session === undefined || account === undefined) return undefined
  const client = clientOf(ctx, asked.clientId)
  const { user } = account as unknown as OurAccount
  ;(session as unknown as { sidFor(clientId: string, sid: string): void }).sidFor(asked.clientId, sidOf(ctx, client, user))
  const { accountId } = account
  const id = grantIdOf(accountId, client.clientId, await hold(ctx, client, accountId))
  const known = await provider.Grant.find(id)
  const isAgreed = !client.asksConsent || result?.consent !== undefined
  if (known === undefined && !isAgreed) return undefined
  const grant = known ?? new provider.Grant({ accountId, clientId: asked.clientId })
  grant.jti = id
  const before = JSON.stringify(grant.openid)
  if (isAgreed) agree(grant, client, oidc.oidc)
  if (JSON.stringify(grant.openid) !== before) await grant.save()
  passOver(grant, client, oidc.oidc)
  return grant
}

/** How often the grant of this session and client was dropped before; known for as long as what is issued now lives. */
function hold({ store, clock }: AuthorityContext, { clientId, refreshTokenSeconds }: OidcClient, accountId: string): Promise<number> {
  return holdGeneration(store, { accountId, clientId }, { nowMs: clock.nowMs(), refreshTokenSeconds })
}

/** The engine's checks of subjects know the session's name, not the client's; these know both. */
function policyOf(ctx: AuthorityContext): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base()
  const login = policy.get('login')
  const consent = policy.get('consent')
  login?.checks.remove('id_token_hint')
  login?.checks.remove('claims_id_token_sub_value')
  login?.checks.remove('essential_acrs')
  login?.checks.remove('essential_acr')
  consent?.checks.remove('native_client_prompt')
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0)
  const { Check } = interactionPolicy
  login?.checks.add(
    new Check('other_subject', 'the user who is signed in is not the one who was asked for', 'login_required', async (oidc: KoaContextWithOIDC) => {
      const { client, session, claims, params } = oidc.oidc
      // The engine has judged the hint when the request came, and does not look again after the sign-in.
      const hint = params?.['id_token_hint']
      const hinted = typeof hint === 'string' ? await readIdTokenHint(ctx, hint) : undefined
      const wanted = hinted?.subject ?? (claims as { id_token?: { sub?: { value?: string } } } | undefined)?.id_token?.sub?.value
      if (wanted === undefined || client === undefined || session?.accountId === undefined) return Check.NO_NEED_TO_PROMPT
      if ((await subjectFor(ctx, session.accountId, client.clientId)) === wanted) return Check.NO_NEED_TO_PROMPT
      // Asked once; whoever signed in then is not the one, and the client hears so instead of a form for ever.
      if (oidc.oidc.result?.login !== undefined) throw new errors.LoginRequired('somebody else signed in')
      return Check.REQUEST_PROMPT
    })
  )
  login?.checks.add(
    new Check('essential_acr', 'none of the requested authentication contexts could be met', 'login_required', (oidc: KoaContextWithOIDC) => {
      const wanted = essentialContexts(oidc.oidc.params?.['claims'])
      if (wanted === undefined || wanted.includes(oidc.oidc.acr)) return Check.NO_NEED_TO_PROMPT
      if (oidc.oidc.result?.login !== undefined || !canBeMet(ctx, wanted)) throw new errors.UnmetAuthenticationRequirements('no such sign-in came about')
      return Check.REQUEST_PROMPT
    })
  )
  return policy
}

/** The session of the browser that asks; that it has not ended since is found out when the client is recorded in it. */
async function browserSession(ctx: AuthorityContext, accountId: string): Promise<Session | undefined> {
  const session = requestScope.getStore()?.session
  return session?.id === accountId && isLive(session, ctx.clock.nowMs()) ? session : liveAccount(ctx, accountId)
}

/** What is issued belongs to a session that is live now: the client is recorded in it first, or nothing is issued. */
export function onIssue(ctx: AuthorityContext): OnIssue {
  return async (kind, payload) => {
    if (kind !== 'AuthorizationCode' && kind !== 'RefreshToken') return
    const { accountId = '', clientId = '' } = payload
    const client = clientOf(ctx, clientId)
    if (kind === 'RefreshToken') await hold(ctx, client, accountId)
    const session = kind === 'AuthorizationCode' ? await browserSession(ctx, accountId) : await liveAccount(ctx, accountId)
    const isOffline = payload.scope?.split(' ').includes('offline_access') ?? false
    if (session === undefined) {
      if (kind === 'RefreshToken' && isOffline && (await offlineAccount(ctx, accountId, clientId)) !== undefined) return
      throw sessionEnded(kind)
    }
    const ended = (error: unknown): never => {
      throw isCurfewError(error) && error.code === 'CURFEW_OIDC_SESSION_ENDED' ? sessionEnded(kind) : error
    }
    const { redirectUri } = payload
    const isRenewal = kind === 'RefreshToken' || isSilent()
    await recordClient(ctx, client, session, { isRenewal, ...(redirectUri === undefined ? {} : { redirectUri }) }).catch(ended)
    if (kind === 'RefreshToken' && isOffline) await recordOfflineGrant(ctx, client, session).catch(ended)
    if (kind === 'RefreshToken' && isOffline) await keepOfflineAccount(ctx, session, ctx.clock.nowMs() + client.refreshTokenSeconds * 1000)
    if (kind === 'AuthorizationCode') ctx.metrics.assertionsIssued.inc({ peer: client.id })
  }
}

/** The request in hand is one of `prompt=none`: an application asks in the background, and nobody opened anything. */
function isSilent(): boolean {
  const prompt = Provider.ctx?.oidc.params?.['prompt']
  return typeof prompt === 'string' && prompt.split(' ').includes('none')
}

/** A browser is sent back to sign in again; a program hears that what it holds is worth nothing. */
function sessionEnded(kind: string): Error {
  return kind === 'AuthorizationCode' ? new errors.LoginRequired('the session has ended') : new errors.InvalidGrant('the session has ended')
}

/** The engine's own errors get our page, and the visitor the standard's word for what is wrong. */
async function renderError(ctx: AuthorityContext, oidc: KoaContextWithOIDC, out: { error: string; error_description?: string | undefined }): Promise<void> {
  const code = 'CURFEW_OIDC_REQUEST_REFUSED'
  ctx.logger.warn({ event: 'oidc.refused', code, error: out.error, why: out.error_description ?? '' }, 'An authorization request was refused')
  ctx.metrics.requestsRefused.inc({ code })
  const page = requestScope.getStore()?.problem(`${code} ${out.error}`)
  if (page === undefined) return
  for (const [name, value] of Object.entries(page.headers)) oidc.set(name, value)
  oidc.type = 'html'
  oidc.body = page.html
}

/** What clients bring back begins with the letter of the group that made it, so that any other hands it over. */
function nameGroup(provider: Provider, letter: string): void {
  const { AuthorizationCode, AccessToken, RefreshToken, ClientCredentials, PushedAuthorizationRequest } = provider
  for (const { prototype } of [AuthorizationCode, AccessToken, RefreshToken, ClientCredentials, PushedAuthorizationRequest] as unknown as readonly {
    prototype: Named
  }[]) {
    const unnamed = prototype.generateTokenId
    prototype.generateTokenId = function named(this: Named) {
      return letter + unnamed.call(this)
    }
  }
}

/** A model of the engine that makes its own id. */
interface Named {
  generateTokenId: (this: Named) => string
}
