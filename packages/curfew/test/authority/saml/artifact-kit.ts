import assert from 'node:assert/strict'
import type { ConnectionSettings } from '../../../src/authority/saml/settings.ts'
import { type ArtifactPeer, createArtifactPeer } from '../artifact-peer.ts'
import { authorityPair, createKit, type Kit, type KitOptions } from '../kit.ts'

export type { ArtifactPeer }

/** An authority whose applications can do HTTP Artifact in every place, and their side of it. */
export interface ArtifactKit {
  readonly kit: Kit
  peer(id: string): ArtifactPeer
}

/** By artifact only, unless `more` says otherwise. */
export function artifactSettings(id: string, more: Partial<ConnectionSettings> = {}): Partial<ConnectionSettings> {
  return {
    acs: [
      { binding: 'post', url: `http://${id}.test/acs`, index: 0, default: true },
      { binding: 'artifact', url: `http://${id}.test/acs/artifact`, index: 1 }
    ],
    slo: [{ binding: 'artifact', url: `http://${id}.test/slo` }],
    artifactResolution: [{ url: `http://${id}.test/ars` }],
    ...more
  }
}

export async function createArtifactKit(partners: Readonly<Record<string, Partial<ConnectionSettings>>>, options: KitOptions = {}): Promise<ArtifactKit> {
  const peers = new Map<string, ArtifactPeer>()
  const kit = await createKit({
    partners: Object.fromEntries(Object.entries(partners).map(([id, more]) => [id, artifactSettings(id, more)])),
    network: (request) => {
      const peer = peers.get(new URL(request.url).hostname.replace('.test', ''))
      return peer === undefined ? Promise.reject(new Error('nobody listens')) : peer.network(request)
    },
    ...options
  })
  for (const id of Object.keys(partners)) peers.set(id, createArtifactPeer(kit.partner(id), kit.clock, authorityPair))
  return { kit, peer: (id) => peers.get(id) ?? assert.fail(id) }
}
