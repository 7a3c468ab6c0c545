import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import type { RegistrationSettings } from './settings.ts'

/** The errors of RFC 7591 section 3.2.2. */
export type RegistrationError = 'invalid_redirect_uri' | 'invalid_client_metadata' | 'invalid_software_statement' | 'unapproved_software_statement'

const addressesMax = 20
const addressCharactersMax = 2_048
const address = z.string().min(1).max(addressCharactersMax)
const addresses = z.array(address).max(addressesMax)
const publicKey = z.record(z.string(), z.unknown()).refine((key) => ['d', 'k', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv'].every((name) => !(name in key)), {
  error: 'a private or secret key'
})

/**
 * What a client may say of itself, by the names of the standards; anything else is ignored, and not repeated in the
 * answer.
 */
const schema = z.object({
  redirect_uris: addresses.min(1),
  client_name: z
    .string()
    .min(1)
    .max(80)
    .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u)
    .optional(),
  application_type: z.enum(['web', 'native']).default('web'),
  token_endpoint_auth_method: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth', 'none'])
    .default('client_secret_basic'),
  grant_types: z
    .array(z.enum(['authorization_code', 'refresh_token']))
    .min(1)
    .max(2)
    .default(['authorization_code']),
  response_types: z.array(z.literal('code')).min(1).max(1).default(['code']),
  scope: z.string().max(1_000).optional(),
  jwks: z.object({ keys: z.array(publicKey).min(1).max(20) }).optional(),
  jwks_uri: address.optional(),
  subject_type: z.enum(['public', 'pairwise']).default('pairwise'),
  id_token_signed_response_alg: z.enum(['RS256', 'PS256', 'ES256', 'EdDSA']).optional(),
  id_token_encrypted_response_alg: z.enum(['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES']).optional(),
  id_token_encrypted_response_enc: z.enum(['A128CBC-HS256', 'A256GCM']).optional(),
  post_logout_redirect_uris: addresses.optional(),
  frontchannel_logout_uri: address.optional(),
  frontchannel_logout_session_required: z.boolean().optional(),
  backchannel_logout_uri: address.optional(),
  backchannel_logout_session_required: z.boolean().optional(),
  tls_client_auth_subject_dn: z.string().max(2_048).optional(),
  tls_client_auth_san_dns: z.string().max(255).optional(),
  tls_client_auth_san_uri: z.string().max(2_048).optional(),
  tls_client_auth_san_ip: z.string().max(64).optional(),
  tls_client_auth_san_email: z.string().max(320).optional(),
  tls_client_certificate_bound_access_tokens: z.boolean().optional(),
  software_id: z.string().max(200).optional(),
  software_version: z.string().max(200).optional(),
  software_statement: z.string().max(16_384).optional()
})

/** Metadata that was checked, with its defaults. */
export type ClientMetadata = z.output<typeof schema>

type Rules = Pick<RegistrationSettings, 'scopes' | 'isReachable'>

/**
 * Checks what a stranger says of a client. It is stricter than the configuration: no patterns, no plain http but to
 * loopback for native applications, nothing that this server would not ask.
 * @throws CURFEW_OIDC_REGISTRATION_REFUSED
 * @see RFC 7591 section 2, OpenID Registration 1.0 section 2
 */
export function parseClientMetadata(value: unknown, rules: Rules): ClientMetadata {
  const result = schema.safeParse(value)
  if (!result.success) {
    const at = result.error.issues[0]?.path.map(String) ?? []
    throw refused(at[0] === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata', `${at.join('.') || 'the body'} can not be used`)
  }
  const metadata = result.data
  for (const uri of metadata.redirect_uris) requireRedirect(uri, metadata.application_type)
  for (const uri of metadata.post_logout_redirect_uris ?? []) requireLanding(uri, metadata.application_type)
  requireKeys(metadata)
  requireScope(metadata, rules)
  for (const name of ['jwks_uri', 'backchannel_logout_uri'] as const) requireReachable(name, metadata[name], rules)
  if (metadata.frontchannel_logout_uri !== undefined && !isWeb(metadata.frontchannel_logout_uri))
    throw refused('invalid_client_metadata', 'frontchannel_logout_uri is not https')
  return metadata
}

/** @returns the refusal as the standard names it */
export function refused(error: RegistrationError, why: string): CurfewError {
  return new CurfewError('CURFEW_OIDC_REGISTRATION_REFUSED', { error, why })
}

function requireRedirect(uri: string, kind: 'web' | 'native'): void {
  if (!isLandingOf(uri, kind)) throw refused('invalid_redirect_uri', 'a redirect address is not https, or has a fragment, user information or a pattern')
}

function requireLanding(uri: string, kind: 'web' | 'native'): void {
  if (!isLandingOf(uri, kind)) throw refused('invalid_client_metadata', 'a post-logout address is not https, or has a fragment, user information or a pattern')
}

function isLandingOf(uri: string, kind: 'web' | 'native'): boolean {
  if (uri.includes('*') || uri.includes('#') || /[\s\\]/.test(uri)) return false
  return kind === 'web' ? isWeb(uri) : isWeb(uri) || isNative(uri)
}

function isWeb(uri: string): boolean {
  const url = URL.parse(uri)
  return url !== null && url.protocol === 'https:' && url.username === '' && url.password === '' && !uri.includes('#') && !isLocal(url.hostname)
}

/** RFC 8252 sections 7.1 and 7.3: a scheme of its own, named after a domain; or loopback. */
function isNative(uri: string): boolean {
  const url = URL.parse(uri)
  if (url === null || url.username !== '' || url.password !== '') return false
  return url.protocol === 'http:' ? isLocal(url.hostname) : /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+:$/.test(url.protocol)
}

function isLocal(host: string): boolean {
  return /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)
}

function requireKeys({ jwks, jwks_uri: uri, token_endpoint_auth_method: method }: ClientMetadata): void {
  if (jwks !== undefined && uri !== undefined) throw refused('invalid_client_metadata', 'jwks and jwks_uri exclude each other')
  const isNeeded = method === 'private_key_jwt' || method === 'self_signed_tls_client_auth'
  if (isNeeded && jwks === undefined && uri === undefined) throw refused('invalid_client_metadata', `${method} needs jwks or jwks_uri`)
}

/** `offline_access` belongs to refresh tokens. */
function requireScope({ scope, grant_types: grants }: ClientMetadata, { scopes }: Rules): void {
  const allowed = new Set(['openid', ...scopes, ...(grants.includes('refresh_token') ? ['offline_access'] : [])])
  const asked = scope?.split(' ').filter((one) => one !== '') ?? []
  if (asked.some((one) => !allowed.has(one))) throw refused('invalid_client_metadata', 'scope has one that is not given to registered clients')
}

function requireReachable(name: string, uri: string | undefined, { isReachable }: Rules): void {
  if (uri !== undefined && (!isWeb(uri) || !isReachable(uri)))
    throw refused('invalid_client_metadata', `${name} is not https, has a fragment, or is never asked from here`)
}
