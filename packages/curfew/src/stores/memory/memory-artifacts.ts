import type { Artifact, Store } from '../store.ts'
import { type ArtifactService, grantGone } from '../fact.ts'
import { addGone } from './memory-gone.ts'
import { type MemoryContext, type MemoryState, memoryDurability as durability, pairKey, type StoredArtifact } from './memory-state.ts'

type ArtifactCalls = Pick<Store, 'putArtifact' | 'getArtifact' | 'consumeArtifact' | 'dropArtifact' | 'dropGrant' | 'artifactsOf' | 'artifactsOfGrant'>

export function memoryArtifacts(context: MemoryContext): ArtifactCalls {
  const { state, write, tell, replication } = context
  const serviceOf = (kind: string): ArtifactService | undefined => replication?.artifacts[kind]
  return {
    putArtifact: ({ value, ...artifact }) =>
      write('putArtifact', (all) => {
        const key = pairKey(artifact.kind, artifact.id)
        const before = all.artifacts.get(key)
        const consumedAtMs = before?.consumedAtMs ?? artifact.consumedAtMs
        const version = (before?.version ?? 0) + 1
        const stored = { ...artifact, json: JSON.stringify(value) ?? 'null', version, ...(consumedAtMs === undefined ? {} : { consumedAtMs }) }
        all.artifacts.set(key, stored)
        const service = serviceOf(artifact.kind)
        if (service !== undefined) tell(all, { kind: 'artifact', service, artifact: artifactOf(stored), version })
        return { value: 'stored', durability }
      }),
    getArtifact: async (kind, id, nowMs) => read(state().artifacts.get(pairKey(kind, id)), nowMs),
    consumeArtifact: (kind, id, nowMs) =>
      write('consumeArtifact', (all) => {
        const key = pairKey(kind, id)
        const known = all.artifacts.get(key)
        if (known === undefined || known.untilMs <= nowMs) return { value: 'unknown', durability }
        if (known.consumedAtMs !== undefined) return { value: 'already', durability }
        const used = { ...known, consumedAtMs: nowMs }
        all.artifacts.set(key, used)
        const service = serviceOf(kind)
        if (service !== undefined) tell(all, { kind: 'artifact', service, artifact: artifactOf(used), version: used.version ?? 1 })
        return { value: 'consumed', durability }
      }),
    dropArtifact: (kind, id) =>
      write('dropArtifact', (all) => {
        const known = all.artifacts.get(pairKey(kind, id))
        if (known === undefined) return { value: 'unknown', durability }
        all.artifacts.delete(pairKey(kind, id))
        const service = serviceOf(kind)
        if (service !== undefined && replication?.services[service] === true) {
          addGone(all, kind, id, known.untilMs)
          tell(all, { kind: 'artifact-dropped', service, of: kind, id, untilMs: known.untilMs })
        }
        return { value: 'dropped', durability }
      }),
    dropGrant: (grantId) =>
      write('dropGrant', (all) => {
        const dropped = dropGrant(all, grantId)
        if (dropped.length > 0 && replication?.services.referenceTokens === true) {
          const untilMs = Math.max(...dropped.map((one) => one.untilMs))
          addGone(all, grantGone, grantId, untilMs)
          tell(all, { kind: 'grant-dropped', service: 'referenceTokens', grantId, untilMs })
        }
        return { value: dropped.length, durability }
      }),
    artifactsOf: async (sessionId, kind, nowMs, max) =>
      [...state().artifacts.values()]
        .filter((artifact) => artifact.sessionId === sessionId && artifact.kind === kind)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .flatMap((artifact) => read(artifact, nowMs) ?? [])
        .slice(0, max),
    artifactsOfGrant: async (grantId, kind, nowMs, max) =>
      [...state().artifacts.values()]
        .filter((artifact) => artifact.grantId === grantId && artifact.kind === kind)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .flatMap((artifact) => read(artifact, nowMs) ?? [])
        .slice(0, max)
  }
}

function read(stored: StoredArtifact | undefined, nowMs: number): Artifact | undefined {
  if (stored === undefined || stored.untilMs <= nowMs) return undefined
  return artifactOf(stored)
}

export function artifactOf({ json, version: _, ...artifact }: StoredArtifact): Artifact {
  return { ...artifact, value: JSON.parse(json) as unknown }
}

/** Drops everything under a grant and returns it. */
export function dropGrant(state: MemoryState, grantId: string): readonly StoredArtifact[] {
  const found = [...state.artifacts].filter(([, artifact]) => artifact.grantId === grantId)
  for (const [key] of found) state.artifacts.delete(key)
  return found.map(([, artifact]) => artifact)
}
