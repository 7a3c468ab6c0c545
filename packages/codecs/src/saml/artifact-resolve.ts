import { CurfewError } from '../errors.ts'
import { is, text, type XmlElement } from '../xml/element.ts'
import { node } from '../xml/writer.ts'
import { type MessageHeader, messageParts, readMessage, type SignableParts } from './message.ts'
import { ns, valueCharactersMax } from './names.ts'

/** A wish to get the message that an artifact stands for (Core 3.5.1). */
export interface ArtifactResolve extends MessageHeader {
  readonly kind: 'ArtifactResolve'
  /** In base64, as the browser brought it. */
  readonly artifact: string
}

export function serialiseArtifactResolve(m: ArtifactResolve): SignableParts {
  return messageParts('samlp:ArtifactResolve', m, {}, [node('samlp:Artifact', {}, [m.artifact])])
}

/** @throws CURFEW_SAML_STRUCTURE */
export function readArtifactResolve(element: XmlElement): ArtifactResolve {
  const { header, rest } = readMessage(element)
  const [artifact, ...more] = rest
  if (!is(artifact, ns.samlp, 'Artifact') || more.length > 0) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'ArtifactResolve' })
  return { kind: 'ArtifactResolve', ...header, artifact: text(artifact).trim().slice(0, valueCharactersMax) }
}
