import {
  type ArtifactResponse,
  decodeSoap,
  encodeSoap,
  openArtifactResponse,
  type PeerKeys,
  type Received,
  serialiseArtifactResponse,
  signEnvelopedSync,
  status
} from '../../src/index.ts'
import { partnerKey } from './keys.ts'
import { now, partner, peer } from './messages.ts'

export const artifactAnswer: ArtifactResponse = {
  kind: 'ArtifactResponse',
  id: '_resolved1',
  issuer: partner,
  issueInstant: now,
  inResponseTo: '_resolve1',
  status: status.success()
}

/** The answer of a partner around a message, in XML. */
export function carrying(message: string | undefined, options: { readonly signs?: boolean; readonly change?: Partial<ArtifactResponse> } = {}): string {
  const parts = serialiseArtifactResponse({ ...artifactAnswer, ...options.change }, message)
  return options.signs === false ? parts.head + parts.tail : signEnvelopedSync(parts, partnerKey.signing)
}

/** Opens an answer as the one who asked would. */
export function opened(xml: string, keys: PeerKeys = peer): Received {
  return openArtifactResponse(decodeSoap(Buffer.from(encodeSoap(xml))), keys, { requestId: '_resolve1' })
}
