import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { languages } from '../pages/messages.ts'
import { startSloPaths } from '../ping/start-slo.ts'
import { noStore } from '../request.ts'
import { sessionManagementUrls } from '../session-management/paths.ts'
import { receiversOf } from '../shared-signals/owed.ts'
import { signalScopes } from '../shared-signals/receiver-access.ts'
import { contextsSupported } from './authentication-context.ts'
import { oidcUrl } from './endpoints.ts'

/** `/.well-known/openid-configuration`, without authentication; `policy_id` is taken and changes nothing (AC-154). */
export async function sendConfiguration(ctx: AuthorityContext, _request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return reply.headers({ ...noStore, 'access-control-allow-origin': '*' }).send(configurationOf(ctx))
}

/** What this provider can do; only what answers is published. */
export function configurationOf(ctx: Pick<AuthorityContext, 'baseUrl' | 'oidc' | 'clients' | 'clientCertificates' | 'registration' | 'signOn'>): object {
  const algorithms = [...new Set(ctx.oidc.keys.flatMap((key) => key.algorithms))]
  const { isOn: hasCertificates } = ctx.clientCertificates
  const byCertificate = hasCertificates ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []
  const authentication = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', ...byCertificate]
  const assertions = ['RS256', 'PS256', 'ES256', 'EdDSA']
  return {
    issuer: ctx.baseUrl,
    authorization_endpoint: oidcUrl(ctx, 'authorization'),
    token_endpoint: oidcUrl(ctx, 'token'),
    pushed_authorization_request_endpoint: oidcUrl(ctx, 'pushedAuthorization'),
    ...(ctx.registration === undefined ? {} : { registration_endpoint: oidcUrl(ctx, 'registration') }),
    userinfo_endpoint: oidcUrl(ctx, 'userinfo'),
    jwks_uri: oidcUrl(ctx, 'keys'),
    introspection_endpoint: oidcUrl(ctx, 'introspection'),
    revocation_endpoint: oidcUrl(ctx, 'revocation'),
    end_session_endpoint: oidcUrl(ctx, 'endSession'),
    curfew_logout_endpoint: oidcUrl(ctx, 'logout'),
    ping_end_session_endpoint: ctx.baseUrl + startSloPaths.idp,
    ...sessionManagementUrls(ctx),
    check_session_iframe: oidcUrl(ctx, 'checkSession'),
    frontchannel_logout_supported: true,
    frontchannel_logout_session_supported: true,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    scopes_supported: [...scopesOf(ctx), ...(receiversOf(ctx).length === 0 ? [] : signalScopes)],
    claims_supported: ['sub', 'sid', 'pi.sri', 'acr', 'amr', 'auth_time', 'iss', 'aud', 'name', 'given_name', 'family_name', 'preferred_username', 'email'],
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'fragment', 'form_post', 'jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt'],
    grant_types_supported: ['authorization_code', 'refresh_token', ...(receiversOf(ctx).length === 0 ? [] : ['client_credentials'])],
    subject_types_supported: ['public', 'pairwise'],
    code_challenge_methods_supported: ['S256'],
    id_token_signing_alg_values_supported: algorithms,
    id_token_encryption_alg_values_supported: ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES'],
    id_token_encryption_enc_values_supported: ['A128CBC-HS256', 'A256GCM'],
    authorization_signing_alg_values_supported: algorithms,
    dpop_signing_alg_values_supported: assertions,
    token_endpoint_auth_methods_supported: [...authentication, 'none'],
    token_endpoint_auth_signing_alg_values_supported: assertions,
    introspection_endpoint_auth_methods_supported: authentication,
    revocation_endpoint_auth_methods_supported: [...authentication, 'none'],
    ...(hasCertificates ? { tls_client_certificate_bound_access_tokens: true } : {}),
    ...aliasesOf(ctx),
    acr_values_supported: contextsSupported(ctx),
    ui_locales_supported: languages,
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    claims_parameter_supported: true,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    authorization_response_iss_parameter_supported: true
  }
}

/** Every scope that some client may ask for. */
export function scopesOf({ clients, registration }: Pick<AuthorityContext, 'clients' | 'registration'>): string[] {
  return [...new Set(['openid', 'offline_access', ...clients.configured().flatMap((client) => client.scopes), ...(registration?.settings.scopes ?? [])])]
}

/** Where programs with a certificate go instead: the same paths at another origin (RFC 8705 section 5). */
function aliasesOf({ clientCertificates: { aliasBaseUrl } }: Pick<AuthorityContext, 'clientCertificates'>): object {
  if (aliasBaseUrl === undefined) return {}
  const at = { baseUrl: aliasBaseUrl }
  return {
    mtls_endpoint_aliases: {
      token_endpoint: oidcUrl(at, 'token'),
      pushed_authorization_request_endpoint: oidcUrl(at, 'pushedAuthorization'),
      userinfo_endpoint: oidcUrl(at, 'userinfo'),
      introspection_endpoint: oidcUrl(at, 'introspection'),
      revocation_endpoint: oidcUrl(at, 'revocation'),
      curfew_logout_endpoint: oidcUrl(at, 'logout'),
      ...sessionManagementUrls(at)
    }
  }
}
