import { CurfewError } from '../errors.ts'
import { attribute, is, type XmlElement } from '../xml/element.ts'
import { CanonicalXml } from '../xml/writer.ts'
import { type MessageHeader, messageParts, readMessage, type SignableParts } from './message.ts'
import { ns } from './names.ts'
import { readStatus, type Status, statusNode } from './status.ts'

/** The answer to an ArtifactResolve (Core 3.5.2). */
export interface ArtifactResponse extends MessageHeader {
  readonly kind: 'ArtifactResponse'
  readonly inResponseTo?: string
  readonly status: Status
}

/**
 * Writes the answer. The outer element has a prefix of its own, so that a message which declares `samlp` itself is
 * canonical inside as well: its signature and the one around it are both by construction.
 * @param message - the message as this package wrote it, signed or not; absent: the artifact stands for nothing any more
 */
export function serialiseArtifactResponse(m: ArtifactResponse, message?: string): SignableParts {
  return messageParts('art:ArtifactResponse', m, { InResponseTo: m.inResponseTo }, [
    statusNode(m.status),
    message === undefined ? undefined : new CanonicalXml(message)
  ])
}

/** An ArtifactResponse whose message has not been judged yet. */
export interface ArtifactResponseParts {
  readonly response: ArtifactResponse
  readonly message: XmlElement | undefined
}

/**
 * Reads an ArtifactResponse by absolute position: Status, then nothing or exactly one message.
 * @throws CURFEW_SAML_STRUCTURE
 */
export function readArtifactResponse(element: XmlElement): ArtifactResponseParts {
  const { header, rest } = readMessage(element)
  const [statusElement, message, ...more] = rest
  if (!is(statusElement, ns.samlp, 'Status') || more.length > 0) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'ArtifactResponse' })
  const inResponseTo = attribute(element, 'InResponseTo')
  const response: ArtifactResponse = {
    kind: 'ArtifactResponse',
    ...header,
    status: readStatus(statusElement),
    ...(inResponseTo === undefined ? {} : { inResponseTo })
  }
  return { response, message }
}
