import type { GroupLetter } from '../core/group.ts'
import type { Artifact, Store } from '../stores/store.ts'
import type { MovedArtifact } from './replication-calls.ts'

/** An artifact as it goes over a link. */
export type HandedArtifact = Pick<Artifact, 'untilMs' | 'value' | 'grantId' | 'sessionId'>

export interface ArtifactName {
  readonly kind: MovedArtifact
  readonly id: string
}

/** How long the group that an artifact was handed to may ask for it again: the answer may have been lost on its way. */
const againMs = 10_000

/** Takes an artifact out of this store for another group. It is used up first: of two groups that ask, one has it. */
export async function handOut(store: Store, name: ArtifactName, to: GroupLetter, nowMs: number): Promise<HandedArtifact | undefined> {
  const { kind, id } = name
  const artifact = await store.getArtifact(kind, id, nowMs)
  if (artifact === undefined || (await store.consumeArtifact(kind, id, nowMs)).value !== 'consumed') return undefined
  const { untilMs, value, grantId, sessionId } = artifact
  const handed: HandedArtifact = { untilMs, value, ...(grantId === undefined ? {} : { grantId }), ...(sessionId === undefined ? {} : { sessionId }) }
  await store.txTake(handedKey(name), nowMs)
  await store.txCreate(handedKey(name), { to, artifact: handed } satisfies Mark, nowMs + againMs)
  await store.dropArtifact(kind, id)
  return handed
}

/** What was handed to this group a moment ago, for one that says that it has never had it. */
export async function handedBefore(store: Store, name: ArtifactName, to: GroupLetter, nowMs: number): Promise<HandedArtifact | undefined> {
  const mark = (await store.txGet(handedKey(name), nowMs)) as Mark | undefined
  return mark?.to === to ? mark.artifact : undefined
}

/** This group has had it: what was used up here is not handed to it again. */
export async function wasTaken(store: Store, name: ArtifactName, nowMs: number): Promise<boolean> {
  return (await store.txGet(takenKey(name), nowMs)) !== undefined
}

/** Remembers it as long as the artifact is good anywhere; false when another request of this group did. */
export async function noteTaken(store: Store, name: ArtifactName, untilMs: number): Promise<boolean> {
  return (await store.txCreate(takenKey(name), true, untilMs)).value === 'created'
}

interface Mark {
  readonly to: GroupLetter
  readonly artifact: HandedArtifact
}

function handedKey({ kind, id }: ArtifactName): string {
  return `handed-artifact:${kind}:${id}`
}

function takenKey({ kind, id }: ArtifactName): string {
  return `taken-artifact:${kind}:${id}`
}
