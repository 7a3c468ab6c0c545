import { createHash } from 'node:crypto'
import { decodeArtifact, encodeArtifact, isCurfewError, messageHandleBytes, sourceIdOf } from '@curfew/codecs'
import { type GroupLetter, groupOf } from '../../core/group.ts'
import type { PeerId } from '../../core/ids.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Ids } from '../../platform/ids.ts'
import type { Random } from '../../platform/random.ts'
import type { Store } from '../../stores/store.ts'
import type { SamlSettings } from './settings.ts'

/** Messages of ours that wait for the partner they are for, each behind an artifact that a browser carries there. */
export interface ArtifactShelf {
  /** Puts a message away for one partner and returns its artifact. */
  put(peerId: PeerId, xml: string): Promise<string>
  /**
   * Hands a message out: once, in time, to the partner it is for. Anybody else's question finds nothing and uses nothing
   * up, so that nobody can spoil the artifact of another.
   */
  take(peerId: PeerId, artifact: string): Promise<string | undefined>
}

export interface ArtifactShelfDeps {
  readonly store: Pick<Store, 'txCreate' | 'txTake'>
  readonly clock: Clock
  readonly ids: Pick<Ids, 'group'>
  readonly random: Pick<Random, 'bytes'>
  readonly saml: Pick<SamlSettings, 'entityId' | 'artifacts'>
}

/**
 * The shelf is the store, so any node hands out what any node put away, and a node of another group finds out from the
 * artifact where that is.
 * @see saml-core-2.0-os section 3.5.3
 */
export function createArtifactShelf({ store, clock, ids, random, saml }: ArtifactShelfDeps): ArtifactShelf {
  const { entityId, artifacts } = saml
  return {
    async put(peerId, xml) {
      // 152 bits that nobody can guess, of the 128 that there have to be.
      const handle = Buffer.concat([Buffer.from(ids.group, 'latin1'), random.bytes(messageHandleBytes - 1)])
      const artifact = encodeArtifact(entityId, artifacts.index, handle)
      await store.txCreate(keyOf(ids.group, peerId, artifact), xml, clock.nowMs() + artifacts.lifetimeMs)
      return artifact
    },
    async take(peerId, artifact) {
      const group = isFrom(entityId, artifact) ? groupOfArtifact(artifact) : undefined
      return group === undefined ? undefined : ((await store.txTake(keyOf(group, peerId, artifact), clock.nowMs())).value as string | undefined)
    }
  }
}

/** The index is a matter of the address that was asked; every node knows every artifact. */
function isFrom(entityId: string, artifact: string): boolean {
  try {
    return decodeArtifact(artifact).sourceId === sourceIdOf(entityId)
  } catch (error) {
    if (isCurfewError(error)) return false
    throw error
  }
}

/** The letter of the group that keeps the message of an artifact of ours: the first octet of its handle. */
export function groupOfArtifact(artifact: string): GroupLetter | undefined {
  try {
    return groupOf(Buffer.from(decodeArtifact(artifact).messageHandle.slice(0, 2), 'hex').toString('latin1'))
  } catch (error) {
    if (isCurfewError(error)) return undefined
    throw error
  }
}

/** Who reads the store learns no artifact that is good yet; under the name of somebody else there is nothing. */
function keyOf(group: GroupLetter, peerId: PeerId, artifact: string): string {
  return `saml-artifact:${group}${createHash('sha256').update(artifact).update(peerId).digest('base64url')}`
}
