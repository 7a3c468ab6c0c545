import { createHash } from 'node:crypto'
import { CurfewError } from '../errors.ts'
import { relayStateBytesMax } from './names.ts'

/**
 * A short stand-in for a message: who keeps it, at which of its endpoints, and a name that nobody can guess. Type
 * 0x0004, the one type that SAML 2.0 defines.
 * @see saml-bindings-2.0-os section 3.6.4
 */
export interface SamlArtifact {
  /** Index of the artifact resolution service to ask, 0 to 65535. */
  readonly endpointIndex: number
  /** SHA-1 of the entity ID of the issuer, as hex: a name, nothing relies on it being hard to forge. */
  readonly sourceId: string
  /** 20 octets, as hex. */
  readonly messageHandle: string
}

/** An artifact as a browser brought it. */
export interface CarriedArtifact {
  /** In base64, as received: what an ArtifactResolve repeats. */
  readonly text: string
  readonly artifact: SamlArtifact
  readonly relayState?: string
}

/** Octets of a MessageHandle. */
export const messageHandleBytes = 20
/** Highest EndpointIndex. */
export const endpointIndexMax = 65_535
/** Octets of an artifact of this type: TypeCode, EndpointIndex, SourceID, MessageHandle. */
const artifactBytes = 44
const typeCode = 4
const parameter = 'SAMLart'

/** Hex of the SourceID that artifacts of this entity carry. */
export function sourceIdOf(entityId: string): string {
  return createHash('sha1').update(entityId).digest('hex')
}

/**
 * Writes an artifact in base64. A handle of another length or an index that is none is a mistake of the caller.
 * @param handle - {@link messageHandleBytes} random octets, never used twice
 */
export function encodeArtifact(entityId: string, endpointIndex: number, handle: Uint8Array): string {
  if (handle.length !== messageHandleBytes) throw new TypeError(`a MessageHandle has ${messageHandleBytes} octets`)
  const head = Buffer.alloc(4)
  head.writeUInt16BE(typeCode, 0)
  head.writeUInt16BE(endpointIndex, 2)
  return Buffer.concat([head, Buffer.from(sourceIdOf(entityId), 'hex'), handle]).toString('base64')
}

/**
 * Reads an artifact. One artifact has one accepted text, so that its hash names it.
 * @throws CURFEW_SAML_ARTIFACT
 */
export function decodeArtifact(text: string): SamlArtifact {
  const octets = Buffer.from(text, 'base64')
  if (octets.length !== artifactBytes || octets.toString('base64') !== text) throw refused('it is not 44 octets in base64')
  if (octets.readUInt16BE(0) !== typeCode) throw refused('its type is unknown')
  return { endpointIndex: octets.readUInt16BE(2), sourceId: octets.subarray(4, 24).toString('hex'), messageHandle: octets.subarray(24).toString('hex') }
}

/**
 * The address that carries an artifact. A query that the endpoint has already is kept.
 * @see saml-bindings-2.0-os section 3.6.3.1
 */
export function artifactUrl(url: string, artifact: string, relayState?: string): string {
  const relay = relayState === undefined ? '' : `&RelayState=${encodeURIComponent(relayState)}`
  return `${url}${url.includes('?') ? '&' : '?'}${parameter}=${encodeURIComponent(artifact)}${relay}`
}

/**
 * The artifact of a query or form; undefined where there is none. One that stands beside a message, or twice, is refused.
 * @param pairs - names and values, decoded, in order
 * @throws CURFEW_SAML_ARTIFACT, CURFEW_SAML_QUERY
 */
export function carriedArtifact(pairs: Iterable<readonly [string, string]>): CarriedArtifact | undefined {
  const found = new Map<string, string>()
  for (const [name, value] of pairs) {
    if (name !== parameter && name !== 'RelayState' && name !== 'SAMLRequest' && name !== 'SAMLResponse') continue
    if (name === parameter && found.has(name)) throw query('SAMLart stands twice')
    found.set(name, found.has(name) ? `${found.get(name) ?? ''}\0${value}` : value)
  }
  const text = found.get(parameter)
  if (text === undefined) return undefined
  if (found.has('SAMLRequest') || found.has('SAMLResponse')) throw query('it must hold exactly one message')
  const relayState = found.get('RelayState')
  if (relayState?.includes('\0') === true) throw query('RelayState stands twice')
  if (relayState !== undefined && Buffer.byteLength(relayState) > relayStateBytesMax) throw query('RelayState is too long')
  return { text, artifact: decodeArtifact(text), ...(relayState === undefined ? {} : { relayState }) }
}

function query(why: string): CurfewError {
  return new CurfewError('CURFEW_SAML_QUERY', { why })
}

function refused(why: string): CurfewError {
  return new CurfewError('CURFEW_SAML_ARTIFACT', { why })
}
