import { readFile } from 'node:fs/promises'
import { CurfewError, type Decryption } from '@curfew/codecs'
import type { AdminPeer } from '../admin/context.ts'
import type { OpenIdUpstreamSettings } from '../authority/oidc-rp/settings.ts'
import type { ClientSettings } from '../authority/oidc/settings.ts'
import type { ConnectionsDeps, LiveConnections } from '../authority/saml/connections.ts'
import type { MetadataChange } from '../authority/saml/metadata-drift.ts'
import type { OidcConnectionConfig, OidcIdentityProviderConfig } from '../config/schema.ts'
import type { PeerId } from '../core/ids.ts'
import { systemClock } from '../platform/clock.ts'
import type { AuthorityKey } from '../platform/keys.ts'
import type { Logger } from '../platform/logger.ts'
import type { Outbound } from '../platform/outbound.ts'
import { certificateFacts, ownKeyOf } from './key-files.ts'

export function settingsOf({ protocol: _protocol, ...settings }: OidcConnectionConfig): ClientSettings {
  return settings
}

export function upstreamSettings({ protocol: _protocol, idpid: _idpid, ...settings }: OidcIdentityProviderConfig): OpenIdUpstreamSettings {
  return settings
}

export function upstreamFailed(logger: Logger, id: PeerId, error: unknown): void {
  logger.warn({ event: 'connection.metadata-failed', connection: id, err: error }, `the configuration of ${id} could not be read`)
}

/** Key sets of clients are small and read rarely. */
export async function fetchKeys(outbound: Outbound, url: string): Promise<Response> {
  const { status, body } = await outbound.request({
    peerId: `client-keys:${URL.parse(url)?.host ?? ''}`,
    url,
    method: 'GET',
    timeoutMs: 5_000,
    responseBytesMax: 256 * 1024
  })
  return new Response(Buffer.from(body), { status, headers: { 'content-type': 'application/json' } })
}

/** How connections read what they need; `curfew doctor` reads them the same way. */
export function connectionsDeps({
  keys,
  decryption,
  outbound,
  logger
}: {
  readonly keys: readonly AuthorityKey[]
  readonly decryption: Decryption | undefined
  readonly outbound: Outbound
  readonly logger: Logger
}): ConnectionsDeps {
  return {
    clock: systemClock,
    ownKeys: keys.map(ownKeyOf),
    ...(decryption === undefined ? {} : { decryption }),
    readFile: (path) => readFile(path),
    fetchMetadata: (url) => fetchMetadata(outbound, url),
    onChange: (id, changes) => metadataChanged(logger, id, changes),
    onProblem: (id, error) => logger.warn({ event: 'connection.metadata-failed', connection: id, err: error }, `the metadata of ${id} could not be read`)
  }
}

/** SAML partners as the admin API shows them. */
export function samlPeers(connections: LiveConnections): readonly AdminPeer[] {
  return connections.all().map(({ peer, verification }) => {
    const metadata = connections.metadata(peer.id)
    return { peer, certificates: verification.keys.map(certificateFacts), ...(metadata === undefined ? {} : { metadata }) }
  })
}

/** One line for each change; one that breaks what was agreed before is a warning. */
function metadataChanged(logger: Logger, id: PeerId, changes: readonly MetadataChange[]): void {
  for (const { what, change, value, breaks } of changes) {
    const words = `the metadata of ${id} changed: ${what} ${change}, ${value}`
    logger[breaks ? 'warn' : 'info']({ event: 'connection.metadata-changed', connection: id, what, change, value, breaks }, words)
  }
}

async function fetchMetadata(outbound: Outbound, url: string): Promise<Uint8Array> {
  // By host, so that one that hangs keeps no other metadata waiting.
  const peerId = `metadata:${URL.parse(url)?.host ?? ''}`
  const answer = await outbound.request({ peerId, url, method: 'GET', timeoutMs: 10_000, responseBytesMax: 4 * 1024 * 1024 })
  if (answer.status !== 200) throw new CurfewError('CURFEW_OUTBOUND_STATUS', { url, status: answer.status })
  return answer.body
}
