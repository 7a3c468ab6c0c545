import { isAbsolute, resolve } from 'node:path'
import type { Config, GatewayFileConfig, SamlConnectionConfig } from './schema.ts'

/** The configuration with every path absolute: those in the file are relative to the file. */
export function absolutePaths(config: Config, folder: string): Config {
  const full = fullPath(folder)
  return {
    ...config,
    server: serverPaths(config.server, full),
    admin: { ...config.admin, tokenFile: full(config.admin.tokenFile ?? 'data/admin.token') },
    cluster: clusterPaths(config.cluster, full),
    store: { ...config.store, file: full(config.store.file), ...(config.store.redis === undefined ? {} : { redis: redisPaths(config.store.redis, full) }) },
    saml: { ...config.saml, keys: pairs(config.saml.keys, full), decryptionKeys: pairs(config.saml.decryptionKeys, full) },
    sessions: { ...config.sessions, secretFile: full(config.sessions.secretFile) },
    signOn: {
      ...config.signOn,
      users: full(config.signOn.users),
      directories: config.signOn.directories.map((one) => ({ ...one, ca: full(one.ca) })),
      adapterLogout: withFullTemplate(config.signOn.adapterLogout, full)
    },
    brand: brandPaths(config.brand, full),
    gateway: config.gateway === undefined ? undefined : gatewayPaths(config.gateway, full),
    connections: config.connections.map((connection) => (connection.protocol === 'saml' ? withFullPaths(connection, full) : connection)),
    oidc: { ...config.oidc, keys: config.oidc.keys?.map(({ key }) => ({ key: full(key) })) },
    identityProviders: config.identityProviders.map((provider) => {
      if (provider.protocol === 'oidc') return provider
      return provider.protocol === 'saml' ? withFullPaths(provider, full) : { ...provider, adapterLogout: withFullTemplate(provider.adapterLogout, full) }
    })
  }
}

function clusterPaths(cluster: Config['cluster'], full: FullPath): Config['cluster'] {
  const { tls, ca, secretFiles } = cluster
  return {
    ...cluster,
    ca: full(ca),
    tls: tls === undefined ? undefined : { key: full(tls.key), certificate: full(tls.certificate) },
    secretFiles: secretFiles?.map((file) => full(file))
  }
}

function redisPaths<R extends { readonly ca?: string | undefined; readonly certificate?: string | undefined; readonly key?: string | undefined }>(
  redis: R | undefined,
  full: FullPath
): R | undefined {
  return redis === undefined ? undefined : { ...redis, ca: full(redis.ca), certificate: full(redis.certificate), key: full(redis.key) }
}

type FullPath = <T extends string | undefined>(path: T) => T

export function fullPath(folder: string): FullPath {
  return <T extends string | undefined>(path: T): T => (path === undefined || isAbsolute(path) ? path : (resolve(folder, path) as T))
}

export function brandPaths(brand: Config['brand'], full: FullPath): Config['brand'] {
  const { logo, messages, header, footer, dark } = brand
  const files = { logo: full(logo), messages: full(messages), header: full(header), footer: full(footer) }
  return { ...brand, ...files, dark: dark === undefined ? undefined : { ...dark, logo: full(dark.logo) } }
}

export function gatewayPaths(gateway: GatewayFileConfig['gateway'], full: FullPath): GatewayFileConfig['gateway'] {
  const { tls, secretFile, provider, shared } = gateway
  const { backChannel: back, clientCertificate: shown } = provider
  return {
    ...gateway,
    secretFile: full(secretFile),
    shared: redisPaths(shared, full),
    provider: {
      ...provider,
      backChannel: back === undefined ? undefined : { ...back, trustedCertificates: full(back.trustedCertificates) },
      clientCertificate: shown === undefined ? undefined : { key: full(shown.key), certificate: full(shown.certificate) }
    },
    tls: tls === undefined ? undefined : { key: full(tls.key), certificate: full(tls.certificate) }
  }
}

function serverPaths(server: Config['server'], full: FullPath): Config['server'] {
  const { tls, clientCertificates: asked } = server
  return {
    ...server,
    ...(tls === undefined ? {} : { tls: { key: full(tls.key), certificate: full(tls.certificate) } }),
    ...(asked === undefined ? {} : { clientCertificates: { ...asked, authorities: full(asked.authorities) } })
  }
}

function withFullTemplate(logout: Config['signOn']['adapterLogout'], full: FullPath): Config['signOn']['adapterLogout'] {
  return logout === undefined ? undefined : { ...logout, template: full(logout.template) }
}

function pairs<K extends { readonly key: string; readonly certificate: string }>(keys: readonly K[], full: FullPath): K[] {
  return keys.map((key) => ({ ...key, key: full(key.key), certificate: full(key.certificate) }))
}

type FilesOfPartner = Pick<SamlConnectionConfig, 'certificates' | 'encryption' | 'metadata'>

function withFullPaths<P extends FilesOfPartner>(partner: P, full: FullPath): P {
  const { metadata, certificates, encryption } = partner
  return {
    ...partner,
    certificates: certificates?.map((certificate) => full(certificate)),
    encryption: encryption === undefined ? undefined : { ...encryption, certificate: full(encryption.certificate) },
    metadata: metadata === undefined ? undefined : { ...metadata, file: full(metadata.file), certificate: full(metadata.certificate) }
  }
}
