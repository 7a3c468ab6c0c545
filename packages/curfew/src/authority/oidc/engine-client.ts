import type { Adapter, ClientMetadata } from 'oidc-provider'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from './client.ts'
import { signalScopes } from '../shared-signals/receiver-access.ts'
import type { ClientAuthentication } from './settings.ts'

const authenticationNames: Readonly<Record<ClientAuthentication, ClientMetadata['token_endpoint_auth_method']>> = {
  clientSecretBasic: 'client_secret_basic',
  clientSecretPost: 'client_secret_post',
  privateKeyJwt: 'private_key_jwt',
  tlsClientAuth: 'tls_client_auth',
  selfSignedTlsClientAuth: 'self_signed_tls_client_auth',
  none: 'none'
}

/** A client as the engine wants to see it. */
export function metadataOf(client: OidcClient): ClientMetadata {
  const isNative = client.redirectUris.some((uri) => !/^https?:/.test(uri))
  const hosts = new Set(client.redirectUris.map((uri) => URL.parse(uri)?.host))
  return {
    client_id: client.clientId,
    client_name: client.name,
    application_type: isNative ? 'native' : 'web',
    redirect_uris: [...client.redirectUris],
    response_types: ['code'],
    grant_types: grantTypesOf(client),
    token_endpoint_auth_method: authenticationNames[client.authentication],
    id_token_signed_response_alg: client.algorithm,
    authorization_signed_response_alg: client.algorithm,
    ...(client.encryption === undefined
      ? {}
      : { id_token_encrypted_response_alg: client.encryption.algorithm, id_token_encrypted_response_enc: client.encryption.content }),
    subject_type: 'pairwise',
    scope: [...client.scopes, ...(client.refreshTokens ? ['offline_access'] : []), ...(client.signalSubject === undefined ? [] : signalScopes)].join(' '),
    require_auth_time: true,
    // Asked for with several hosts; its content decides nothing here and is never read.
    ...(hosts.size > 1 ? { sector_identifier_uri: 'https://sector.invalid/' } : {}),
    // Of a secret that is kept as its hash the engine never compares this one; see `isSecretOf`.
    ...withSecret(client),
    ...certificateMetadata(client),
    ...(client.jwks === undefined ? {} : { jwks: client.jwks as { keys: [] } }),
    ...(client.jwksUri === undefined ? {} : { jwks_uri: client.jwksUri })
  }
}

function grantTypesOf({ refreshTokens, signalSubject }: OidcClient): string[] {
  return ['authorization_code', ...(refreshTokens ? ['refresh_token'] : []), ...(signalSubject === undefined ? [] : ['client_credentials'])]
}

function withSecret({ secret, secretHash }: OidcClient): Partial<ClientMetadata> {
  const shown = secret ?? secretHash
  return shown === undefined ? {} : { client_secret: shown }
}

function certificateMetadata({ certificateSubject: subject, certificateBoundAccessTokens: isBound }: OidcClient): Partial<ClientMetadata> {
  return {
    ...(isBound ? { tls_client_certificate_bound_access_tokens: true } : {}),
    ...(subject === undefined ? {} : { [subject.kind === 'dn' ? 'tls_client_auth_subject_dn' : `tls_client_auth_san_${subject.kind}`]: subject.value })
  }
}

/** Where the engine finds clients that registered themselves; those of the configuration it has. */
export function clientAdapter(ctx: Pick<AuthorityContext, 'clients'>): Adapter {
  const nothing = async (): Promise<undefined> => undefined
  return {
    async find(id) {
      const client = await ctx.clients.find(id)
      return client === undefined ? undefined : { ...metadataOf(client) }
    },
    findByUid: nothing,
    findByUserCode: nothing,
    upsert: nothing,
    destroy: nothing,
    consume: nothing,
    revokeByGrantId: nothing
  }
}
