import type { CertificateSources } from '../authority/oidc/mutual-tls/client-certificates.ts'
import type { Config } from '../config/schema.ts'
import { systemClock } from '../platform/clock.ts'
import type { LiveTls } from './live-tls.ts'

/** Where certificates of clients come from, as configured. */
export function certificateSources({ clientCertificates: asked, trustedProxies }: Config['server'], tls: LiveTls): CertificateSources {
  const { header, baseUrl, listen = [] } = asked ?? {}
  return {
    clock: systemClock,
    hasListener: listen.length > 0,
    trustedProxies,
    authorities: () => tls.authorities(),
    ...(header === undefined ? {} : { header: { ...header, name: header.name.toLowerCase() } }),
    ...(baseUrl === undefined ? {} : { aliasBaseUrl: baseUrl })
  }
}
