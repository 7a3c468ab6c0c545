import { createHash } from 'node:crypto'
import { decodeArtifact, encodeArtifact, isCurfewError, messageHandleBytes, sourceIdOf } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { Clock } from '../../platform/clock.ts'
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
  readonly store: Pick<Store, 'txCreate' | 'txGet' | 'txTake'>
  readonly clock: Clock
  readonly random: Pick<Random, 'bytes'>
  readonly saml: Pick<SamlSettings, 'entityId' | 'artifacts'>
}

interface Shelved {
  readonly peerId: PeerId
  readonly xml: string
}

/**
 * The shelf is the store, so any node hands out what any node put away.
 * @see saml-core-2.0-os section 3.5.3
 */
export function createArtifactShelf({ store, clock, random, saml }: ArtifactShelfDeps): ArtifactShelf {
  const { entityId, artifacts } = saml
  return {
    async put(peerId, xml) {
      const artifact = encodeArtifact(entityId, artifacts.index, random.bytes(messageHandleBytes))
      const shelved: Shelved = { peerId, xml }
      await store.txCreate(keyOf(artifact), shelved, clock.nowMs() + artifacts.lifetimeMs)
      return artifact
    },
    async take(peerId, artifact) {
      if (!isFrom(entityId, artifact)) return undefined
      const found = (await store.txGet(keyOf(artifact), clock.nowMs())) as Shelved | undefined
      if (found?.peerId !== peerId) return undefined
      return ((await store.txTake(keyOf(artifact), clock.nowMs())).value as Shelved | undefined)?.xml
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

/** Who reads the store learns no artifact that is good yet. */
function keyOf(artifact: string): string {
  return `saml-artifact:${createHash('sha256').update(artifact).digest('base64url')}`
}
