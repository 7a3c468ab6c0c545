import type { CertificateSubject } from '../mutual-tls/settings.ts'
import type { ClientAuthentication, ClientSettings, LogoutMode } from '../settings.ts'
import type { ClientMetadata } from './client-metadata.ts'

/** What is kept of a registered client. Secrets are kept as hashes. */
export interface RegisteredClient {
  readonly metadata: ClientMetadata
  readonly secretHash?: string
  /** SHA-256 of the registration access token, base64url. */
  readonly tokenHash: string
  /** The one before it: good until the client has shown that it got the new one. */
  readonly formerTokenHash?: string
  readonly issuedAtMs: number
  /** Name of the initial access token, or `open`. */
  readonly by: string
  /** Counts its changes. */
  readonly version: number
}

/** How identifiers of registered clients begin; nobody can choose one. */
const prefix = 'dyn-'

/** @param random - at least 16 octets */
export function newClientId(random: Uint8Array): string {
  return prefix + Buffer.from(random).toString('hex')
}

/** True when a client identifier can be that of a registered client. */
export function isRegisteredId(clientId: string): boolean {
  return /^dyn-[0-9a-f]{32}$/.test(clientId)
}

const methods: Readonly<Record<ClientMetadata['token_endpoint_auth_method'], ClientAuthentication>> = {
  client_secret_basic: 'clientSecretBasic',
  client_secret_post: 'clientSecretPost',
  private_key_jwt: 'privateKeyJwt',
  tls_client_auth: 'tlsClientAuth',
  self_signed_tls_client_auth: 'selfSignedTlsClientAuth',
  none: 'none'
}

/** A registered client as if it were configured; people are always asked before it learns anything. */
export function settingsOf(clientId: string, { metadata, secretHash }: RegisteredClient, scopes: readonly string[]): ClientSettings {
  const asked = metadata.scope?.split(' ').filter((scope) => scope !== '' && scope !== 'offline_access')
  const subject = certificateSubjectOf(metadata)
  const { id_token_encrypted_response_alg: algorithm, id_token_encrypted_response_enc: content = 'A128CBC-HS256' } = metadata
  return {
    id: clientId,
    isRegistered: true,
    name: metadata.client_name ?? new URL(metadata.redirect_uris[0] ?? '').host,
    authentication: methods[metadata.token_endpoint_auth_method],
    redirectUris: metadata.redirect_uris,
    postLogoutRedirectUris: metadata.post_logout_redirect_uris ?? [],
    scopes: [...new Set(['openid', ...(asked ?? scopes)])],
    refreshTokens: metadata.grant_types.includes('refresh_token'),
    subject: metadata.subject_type,
    consent: 'ask',
    idTokenAlgorithm: metadata.id_token_signed_response_alg,
    certificateSubject: subject,
    certificateBoundAccessTokens: metadata.tls_client_certificate_bound_access_tokens,
    logout: logoutOf(metadata),
    clientSecretHash: secretHash,
    jwks: metadata.jwks,
    jwksUri: metadata.jwks_uri,
    ...(algorithm === undefined ? {} : { tokenEncryption: { algorithm, content } })
  }
}

function logoutOf({ backchannel_logout_uri: back, frontchannel_logout_uri: front }: ClientMetadata): ClientSettings['logout'] {
  const modes: readonly LogoutMode[] = [...(back === undefined ? [] : ['backChannel' as const]), ...(front === undefined ? [] : ['frontChannel' as const])]
  return { modes, backChannelUri: back, frontChannelUris: front === undefined ? undefined : [front] }
}

function certificateSubjectOf(metadata: ClientMetadata): CertificateSubject | undefined {
  const named = [
    ['dn', metadata.tls_client_auth_subject_dn],
    ['dns', metadata.tls_client_auth_san_dns],
    ['uri', metadata.tls_client_auth_san_uri],
    ['ip', metadata.tls_client_auth_san_ip],
    ['email', metadata.tls_client_auth_san_email]
  ] as const
  const [first, ...more] = named.flatMap(([kind, value]) => (value === undefined ? [] : [{ kind, value }]))
  // Of several names none is the one that counts (RFC 8705 section 2.1.2); without any, the client is refused later.
  return more.length === 0 ? first : undefined
}
