import type { Artifact, Store } from '../store.ts'
import { type MemoryContext, memoryDurability as durability, pairKey, type StoredArtifact } from './memory-state.ts'

type ArtifactCalls = Pick<Store, 'putArtifact' | 'getArtifact' | 'consumeArtifact' | 'dropArtifact' | 'dropGrant' | 'artifactsOf' | 'artifactsOfGrant'>

export function memoryArtifacts(context: MemoryContext): ArtifactCalls {
  const { state, write } = context
  return {
    putArtifact: ({ value, ...artifact }) =>
      write('putArtifact', (all) => {
        const key = pairKey(artifact.kind, artifact.id)
        const consumedAtMs = all.artifacts.get(key)?.consumedAtMs ?? artifact.consumedAtMs
        all.artifacts.set(key, { ...artifact, json: JSON.stringify(value) ?? 'null', ...(consumedAtMs === undefined ? {} : { consumedAtMs }) })
        return { value: 'stored', durability }
      }),
    getArtifact: async (kind, id, nowMs) => read(state().artifacts.get(pairKey(kind, id)), nowMs),
    consumeArtifact: (kind, id, nowMs) =>
      write('consumeArtifact', (all) => {
        const key = pairKey(kind, id)
        const known = all.artifacts.get(key)
        if (known === undefined || known.untilMs <= nowMs) return { value: 'unknown', durability }
        if (known.consumedAtMs !== undefined) return { value: 'already', durability }
        all.artifacts.set(key, { ...known, consumedAtMs: nowMs })
        return { value: 'consumed', durability }
      }),
    dropArtifact: (kind, id) =>
      write('dropArtifact', (all) => ({ value: all.artifacts.delete(pairKey(kind, id)) ? ('dropped' as const) : ('unknown' as const), durability })),
    dropGrant: (grantId) =>
      write('dropGrant', (all) => {
        const keys = [...all.artifacts].filter(([, artifact]) => artifact.grantId === grantId).map(([key]) => key)
        for (const key of keys) all.artifacts.delete(key)
        return { value: keys.length, durability }
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
  const { json, ...artifact } = stored
  return { ...artifact, value: JSON.parse(json) as unknown }
}
