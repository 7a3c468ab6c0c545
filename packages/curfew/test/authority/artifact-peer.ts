import {
  artifactUrl,
  decodeArtifact,
  decodeSoap,
  encodeArtifact,
  encodePost,
  encodeRedirect,
  encodeSoap,
  openArtifactResponse,
  type PeerKeys,
  type Received,
  type SignableParts,
  type SigningKey,
  serialiseArtifactResolve,
  serialiseArtifactResponse,
  signMessage,
  status,
  verificationKeyFromCertificate,
  verifyArtifactResolve
} from '@curfew/codecs'
import { randomBytes } from 'node:crypto'
import type { LightMyRequestResponse } from 'fastify'
import type { OutboundRequest, OutboundResponse } from '../../src/platform/outbound.ts'
import type { Browser } from './browser.ts'
import type { KeyPair } from './key-pairs.ts'
import { authorityUrl } from './partner.ts'

export type FrontBinding = 'redirect' | 'post' | 'artifact'

/** What an artifact resolution service of a test may do differently. */
export interface Answering {
  /** The message in the answer; absent: what was put away. */
  readonly message?: string
  readonly inResponseTo?: string
  readonly issuer?: string
  readonly signing?: SigningKey
  /** The answer itself is not signed. */
  readonly unsigned?: boolean
  /** Another HTTP answer altogether. */
  readonly instead?: Partial<OutboundResponse>
}

/** The other side of HTTP Artifact: keeps messages behind artifacts of its own, and exchanges those of the authority. */
export interface ArtifactPeer {
  readonly resolutionUrl: string
  /** Requests that its resolution service got, oldest first. */
  readonly asked: OutboundRequest[]
  answering: Answering
  /** Puts a signed message away. */
  put(xml: string, index?: number): string
  /** Its resolution service, as a network for the kit. */
  network(request: OutboundRequest): Promise<Partial<OutboundResponse>>
  /** Brings a message to an address of the authority through a browser, by any binding. */
  bring(browser: Browser, url: string, message: Brought): Promise<LightMyRequestResponse>
  /** An ArtifactResolve in its SOAP envelope. */
  resolveXml(artifact: string, change?: ResolveChange): Promise<string>
  /** What the authority hands out for the artifact of an address. */
  resolve(app: Injectable, path: string, artifact: string, change?: ResolveChange): Promise<Received>
}

export interface Brought {
  readonly binding: FrontBinding
  readonly parameter: 'SAMLRequest' | 'SAMLResponse'
  readonly parts: SignableParts
  readonly relayState?: string
  /** By artifact: as a form instead of in the address. */
  readonly byForm?: boolean
}

export interface ResolveChange {
  readonly issuer?: string
  readonly signing?: SigningKey
  readonly unsigned?: boolean
  readonly destination?: string
  readonly issueInstant?: Temporal.Instant
}

interface Injectable {
  inject(request: {
    readonly method: 'POST'
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
    readonly payload: string
  }): Promise<LightMyRequestResponse>
}

let serial = 0

/** @param side - a partner or upstream provider of a kit */
export function createArtifactPeer(side: { readonly entityId: string; readonly pair: KeyPair }, clock: { nowMs(): number }, authority: KeyPair): ArtifactPeer {
  const { entityId, pair } = side
  const own: SigningKey = { key: pair.key, algorithm: 'ecdsa-sha256' }
  const keys: PeerKeys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authority.certificate)] }
  const kept = new Map<string, string>()
  const asked: OutboundRequest[] = []
  const now = (): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(clock.nowMs())
  const nextId = (): string => {
    serial += 1
    return `_art${serial.toString(16).padStart(37, '0')}`
  }
  const resolveXml: ArtifactPeer['resolveXml'] = async (artifact, change = {}) => {
    const { issuer = entityId, signing = own, unsigned = false, destination, issueInstant = now() } = change
    const parts = serialiseArtifactResolve({
      kind: 'ArtifactResolve',
      id: '_resolve1',
      issuer,
      issueInstant,
      artifact,
      ...(destination === undefined ? {} : { destination })
    })
    return encodeSoap(unsigned ? parts.head + parts.tail : await signMessage(parts, signing))
  }
  const peer: ArtifactPeer = {
    resolutionUrl: `${new URL(entityId).origin}/ars`,
    asked,
    answering: {},
    put(xml, index = 0) {
      const artifact = encodeArtifact(entityId, index, randomBytes(20))
      kept.set(artifact, xml)
      return artifact
    },
    async network(request) {
      asked.push(request)
      const { answering } = peer
      if (answering.instead !== undefined) return answering.instead
      const message = verifyArtifactResolve(decodeSoap(Buffer.from(request.body ?? '')), keys)
      const found = answering.message ?? kept.get(message.artifact)
      kept.delete(message.artifact)
      const parts = serialiseArtifactResponse(
        {
          kind: 'ArtifactResponse',
          id: nextId(),
          issuer: answering.issuer ?? entityId,
          issueInstant: now(),
          inResponseTo: answering.inResponseTo ?? message.id,
          status: status.success()
        },
        found
      )
      const xml = answering.unsigned === true ? parts.head + parts.tail : await signMessage(parts, answering.signing ?? own)
      return { body: Buffer.from(encodeSoap(xml)) }
    },
    async bring(browser, url, { binding, parameter, parts, relayState, byForm = false }) {
      const relay = relayState === undefined ? {} : { relayState }
      if (binding === 'redirect') return browser.get(await encodeRedirect(url, { parameter, xml: parts.head + parts.tail, ...relay }, own))
      const signed = await signMessage(parts, own)
      if (binding === 'post') return browser.post(url, encodePost(signed, { parameter, ...relay }).fields)
      const artifact = peer.put(signed)
      return byForm
        ? browser.post(url, { SAMLart: artifact, ...(relayState === undefined ? {} : { RelayState: relayState }) })
        : browser.get(artifactUrl(url, artifact, relayState))
    },
    resolveXml,
    async resolve(app, path, artifact, change = {}) {
      const answer = await app.inject({ method: 'POST', url: path, headers: { 'content-type': 'text/xml' }, payload: await resolveXml(artifact, change) })
      return openArtifactResponse(decodeSoap(answer.rawPayload), keys, { requestId: '_resolve1' })
    }
  }
  return peer
}

/** The artifact and RelayState of an address that the authority sends a browser to. */
export function carriedTo(answer: LightMyRequestResponse): { readonly address: string; readonly artifact: string; readonly relayState: string | null } {
  const url = new URL(String(answer.headers.location))
  const artifact = url.searchParams.get('SAMLart') ?? ''
  decodeArtifact(artifact)
  return { address: url.origin + url.pathname, artifact, relayState: url.searchParams.get('RelayState') }
}
