import type { Artifact } from './store.ts'

/** An artifact and how often it was put. */
export interface VersionedArtifact {
  readonly artifact: Artifact
  readonly version: number
}

/** Of two, the one put later stays; what was used up stays so, since the earlier time. */
export function joinArtifact(a: VersionedArtifact | undefined, b: VersionedArtifact): VersionedArtifact {
  if (a === undefined) return b
  const last = isLater(b, a) ? b : a
  const used = [a.artifact.consumedAtMs, b.artifact.consumedAtMs].filter((at) => at !== undefined)
  const { consumedAtMs: _, ...artifact } = last.artifact
  return { version: last.version, artifact: used.length === 0 ? artifact : { ...artifact, consumedAtMs: Math.min(...used) } }
}

/** Where both were put as often, their contents decide: every order ends the same. */
function isLater(b: VersionedArtifact, a: VersionedArtifact): boolean {
  if (b.version !== a.version) return b.version > a.version
  if (b.artifact.untilMs !== a.artifact.untilMs) return b.artifact.untilMs > a.artifact.untilMs
  return textOf(b) > textOf(a)
}

function textOf({ artifact: { grantId, sessionId, value } }: VersionedArtifact): string {
  return JSON.stringify([grantId, sessionId, value])
}
