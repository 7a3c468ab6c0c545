import { X509Certificate } from 'node:crypto'
import { getCACertificates, rootCertificates } from 'node:tls'
import { CurfewError } from '@curfew/codecs'
import type { GatewayConfig } from '../config/gateway-schema.ts'
import type { Config } from '../config/schema.ts'
import { type BackChannel, createBackChannel } from '../gateway/back-channel.ts'
import { systemClock } from '../platform/clock.ts'
import { type ClientCertificate, createOutbound, type OutboundOptions, type OutboundProxy, type ServerIdentity } from '../platform/outbound.ts'
import { readText } from './key-files.ts'

/** The way of a gateway to its provider, until it is closed. */
export interface OpenedBackChannel extends BackChannel {
  close(): Promise<void>
}

type BackChannelConfig = NonNullable<GatewayConfig['provider']['backChannel']>

/** @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_HOSTNAME_UNVERIFIED */
export function openBackChannel(
  config: BackChannelConfig | undefined,
  issuer: string,
  shared: Config['outbound'],
  clientCertificate?: ClientCertificate
): OpenedBackChannel {
  const base: OutboundOptions = { clock: systemClock, ...shared, ...(clientCertificate === undefined ? {} : { clientCertificate }) }
  if (config === undefined) return createOutbound(base)
  const { servers, basePath, proxy } = config
  const way: OutboundOptions = proxy === undefined ? base : { ...base, proxy: proxyOf(proxy) }
  const other = createOutbound({ ...way, ...aliasTrust(config, clientCertificate) })
  const own = createOutbound({ ...way, ...serverTrust(config) })
  const channel = createBackChannel({ issuer, own, other, servers: servers.map((url) => new URL(url).origin), ...(basePath === undefined ? {} : { basePath }) })
  return {
    ...channel,
    async close() {
      await Promise.all([own.close(), other.close()])
    }
  }
}

function proxyOf({ url, username, password = '' }: NonNullable<BackChannelConfig['proxy']>): OutboundProxy {
  if (username === undefined) return { url }
  return { url, authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

function serverTrust(config: BackChannelConfig): { readonly ca?: string; readonly identity?: ServerIdentity } {
  const { trustedCertificates: file, expectedHostname, skipHostnameVerification } = config
  const ca = file === undefined ? {} : { ca: readText(file) }
  // A name that is expected is stricter than none: it wins.
  if (expectedHostname !== undefined) return { ...ca, identity: { kind: 'expected', hostname: expectedHostname } }
  if (!skipHostnameVerification) return ca
  if (ca.ca === undefined) throw unverified('no authority is named in trustedCertificates')
  requirePrivate(ca.ca)
  return { ...ca, identity: { kind: 'pinned' } }
}

/** Where certificates are shown may be another host of the provider, with a certificate of the same authority as its own. */
function aliasTrust({ trustedCertificates: file }: BackChannelConfig, clientCertificate: ClientCertificate | undefined): { readonly ca?: string } {
  if (file === undefined || clientCertificate === undefined) return {}
  return { ca: [...getCACertificates('default'), readText(file)].join('\n') }
}

/** Authorities that give certificates to everybody vouch for nobody whose name is not looked at. */
function requirePrivate(pem: string): void {
  const given = (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map(fingerprintOf)
  if (given.length === 0) throw unverified('trustedCertificates names no authority')
  const ofEverybody = new Set(rootCertificates.map(fingerprintOf))
  if (given.some((one) => ofEverybody.has(one))) throw unverified('trustedCertificates names an authority that the public trusts')
}

function fingerprintOf(pem: string): string {
  try {
    return new X509Certificate(pem).fingerprint256
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_KEY', { where: 'gateway.provider.backChannel.trustedCertificates', why: 'it is no certificate' }, { cause })
  }
}

function unverified(why: string): CurfewError {
  return new CurfewError('CURFEW_CONFIG_HOSTNAME_UNVERIFIED', { at: 'gateway.provider.backChannel.skipHostnameVerification', why })
}
