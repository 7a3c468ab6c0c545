import { CurfewError } from '@curfew/codecs'
import type { GatewayConfig } from '../config/gateway-schema.ts'
import type { Config } from '../config/schema.ts'
import type { ApplicationSettings, GatewaySettings, ProviderAuthentication, WebSessionSettings } from '../gateway/settings.ts'

/**
 * The settings of a gateway. What its file leaves open comes from the whole configuration, where there is one: the
 * issuer, and the secret of its client.
 * @throws CURFEW_CONFIG_CONNECTION when the provider or the client's secret is not known
 */
export function gatewaySettings(config: GatewayConfig, whole: Config | undefined): GatewaySettings {
  const { provider, sessionCheck } = config
  const issuer = provider.issuer ?? (whole === undefined ? undefined : new URL(whole.server.baseUrl).origin)
  if (issuer === undefined) throw unusable('the issuer of its provider is not known')
  const sessions = config.webSessions.map(webSessionSettings)
  return {
    reservedPath: config.reservedPath,
    trustedProxies: config.trustedProxies,
    forwardAuth: config.forwardAuth,
    heartbeatMonitoring: config.heartbeatMonitoring,
    provider: {
      issuer,
      clientId: provider.clientId,
      authentication: authenticationOf(config, whole),
      scopes: provider.scopes,
      userInfo: provider.userInfo,
      refreshTokens: provider.refreshTokens,
      useSingleLogout: provider.useSingleLogout,
      ...(provider.logoutRedirectUri === undefined ? {} : { logoutRedirectUri: provider.logoutRedirectUri })
    },
    sessionCheck: {
      feed: sessionCheck.feed,
      status: sessionCheck.status,
      statusCacheMs: sessionCheck.statusCacheSeconds * 1000,
      staleMs: sessionCheck.staleSeconds * 1000,
      whenUnknown: sessionCheck.whenUnknown
    },
    applications: config.applications.map((application) => applicationSettings(application, sessions))
  }
}

function webSessionSettings(session: GatewayConfig['webSessions'][number]): WebSessionSettings {
  const { name, audience, cookieType, cookieDomain, httpOnly, sameSite, partitioned, idleMinutes, maxMinutes, refreshUserSeconds } = session
  const base = { id: name, audience, cookieType, httpOnly, sameSite, partitioned, idleMs: idleMinutes * 60_000, maxMs: maxMinutes * 60_000 }
  const refresh = refreshUserSeconds === -1 ? {} : { refreshMs: refreshUserSeconds * 1000 }
  return { ...base, ...refresh, ...(cookieDomain === undefined ? {} : { cookieDomain }) }
}

function applicationSettings(application: GatewayConfig['applications'][number], sessions: readonly WebSessionSettings[]): ApplicationSettings {
  const webSession = application.webSession === undefined ? sessions[0] : sessions.find(({ id }) => id === application.webSession)
  if (webSession === undefined) throw unusable(`${application.id} has no web session`)
  const { id, urls, contextRoot, target, type, headers, anonymous, preserveHost, preservation, reservedBelowRoot, responseTimeoutSeconds } = application
  const { failOnUnsupportedPreservationContentType } = application
  return {
    id,
    contextRoot,
    type,
    headers,
    anonymous,
    preserveHost,
    preservation,
    failOnUnsupportedPreservationContentType,
    reservedBelowRoot,
    webSession,
    origins: urls.map((url) => new URL(url).origin),
    target: new URL(target).origin,
    responseTimeoutMs: responseTimeoutSeconds * 1000
  }
}

function authenticationOf({ provider }: GatewayConfig, whole: Config | undefined): ProviderAuthentication {
  if (provider.authentication === 'privateKeyJwt') return { kind: 'privateKeyJwt' }
  if (provider.authentication === 'tlsClientAuth' || provider.authentication === 'selfSignedTlsClientAuth') return { kind: 'certificate' }
  const connection = whole?.connections.find((one) => one.protocol === 'oidc' && (one.clientId ?? one.id) === provider.clientId)
  const secret = provider.clientSecret ?? (connection?.protocol === 'oidc' ? connection.clientSecret : undefined)
  if (secret === undefined) throw unusable('it authenticates with a secret and has none')
  return { kind: 'secret', secret, method: provider.authentication }
}

function unusable(reason: string): CurfewError {
  return new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: 'gateway', reason })
}
