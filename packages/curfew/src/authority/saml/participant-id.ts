import { createHash } from 'node:crypto'
import type { NameID } from '@curfew/codecs'
import type { ParticipantId, PeerId } from '../../core/ids.ts'

/**
 * The same partner with the same identifier is the same participant.
 * @param sessionIndex - of an identity provider, whose several sign-ins of one user are told apart by it
 */
export function participantIdOf(peerId: PeerId, nameId: NameID, sessionIndex?: string): ParticipantId {
  const parts = [
    nameId.format ?? '',
    nameId.nameQualifier ?? '',
    nameId.spNameQualifier ?? '',
    nameId.value,
    ...(sessionIndex === undefined ? [] : [sessionIndex])
  ]
  return `${peerId}:${createHash('sha256').update(parts.join('\0')).digest('base64url').slice(0, 12)}`
}
