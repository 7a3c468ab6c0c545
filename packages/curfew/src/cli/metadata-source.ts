import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve } from 'node:path'
import { CurfewError, isSignedMetadata, metadataLimits, verificationKeyFromCertificate, verifyMetadata } from '@curfew/codecs'
import type { Config } from '../config/schema.ts'
import type { MetadataOrigin } from '../config/metadata/import-metadata.ts'
import { systemClock } from '../platform/clock.ts'
import { createOutbound } from '../platform/outbound.ts'
import { fetchMetadata } from './doctor-metadata.ts'

/** Metadata as it was read just now, and how a connection names it. */
export interface MetadataSource {
  readonly bytes: Uint8Array
  readonly origin: MetadataOrigin
}

/** How requests leave, as configured; without a configuration no private address is asked. */
export type OutboundSettings = Pick<Config['outbound'], 'allowPrivate' | 'hosts'>

/**
 * Reads metadata from a file or an address, and checks its signature where a certificate is given.
 * @param configFile - files are named from its folder
 * @throws CURFEW_CONFIG_FILE, CURFEW_SAML_METADATA, CURFEW_OUTBOUND_STATUS and those of the door and of the signature
 */
export async function readMetadataSource(
  source: string,
  { configFile, certificate, outbound }: { readonly configFile: string; readonly certificate: string | undefined; readonly outbound: OutboundSettings }
): Promise<MetadataSource> {
  const isRemote = /^https?:\/\//i.test(source)
  const bytes = isRemote ? await fetched(source, outbound) : readBounded(source)
  if (certificate !== undefined) verifyMetadata(bytes, [verificationKeyFromCertificate(Buffer.from(readBounded(certificate)).toString('utf8'))])
  const folder = dirname(resolve(configFile))
  const settings = isRemote ? { url: source } : { file: fromFolder(folder, source) }
  const signer = certificate === undefined ? {} : { certificate: fromFolder(folder, certificate) }
  return { bytes, origin: { settings, ...signer, isSigned: isSignedMetadata(bytes) } }
}

/** A file of metadata that a connection reads later from there, or from the address that it was a copy of. @throws as above */
export function readMetadataFile(
  { file, url, certificate }: { readonly file: string; readonly url?: string; readonly certificate?: string },
  configFile: string
): MetadataSource {
  const bytes = readBounded(file)
  if (certificate !== undefined) verifyMetadata(bytes, [verificationKeyFromCertificate(Buffer.from(readBounded(certificate)).toString('utf8'))])
  const folder = dirname(resolve(configFile))
  const settings = url === undefined ? { file: fromFolder(folder, file) } : { url }
  const signer = certificate === undefined ? {} : { certificate: fromFolder(folder, certificate) }
  return { bytes, origin: { settings, ...signer, isSigned: isSignedMetadata(bytes) } }
}

async function fetched(url: string, { allowPrivate, hosts }: OutboundSettings): Promise<Uint8Array> {
  const outbound = createOutbound({ clock: systemClock, allowPrivate, hosts, perPeerMax: 1 })
  try {
    const ask = { peerId: 'metadata', method: 'GET', timeoutMs: 10_000, responseBytesMax: metadataLimits.documentBytesMax } as const
    return await fetchMetadata((address) => outbound.request({ ...ask, url: address }), url)
  } finally {
    await outbound.close()
  }
}

function readBounded(path: string): Uint8Array {
  if (!existsSync(path)) throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'it is not there' })
  const bytesMax = metadataLimits.documentBytesMax
  if (statSync(path).size > bytesMax) throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: `it is larger than ${bytesMax} bytes` })
  return readFileSync(path)
}

/** A path as `curfew.yaml` in that folder names it; outside of the folder the whole path. */
function fromFolder(folder: string, path: string): string {
  const short = relative(folder, resolve(path))
  return short.startsWith('..') || isAbsolute(short) ? resolve(path) : short.replaceAll('\\', '/')
}
