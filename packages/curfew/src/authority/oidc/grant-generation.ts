import type { Artifact, Store } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import { keyOf } from './artifact-key.ts'
import { grantIdOf, grantKeyOf } from './grant-name.ts'

/** Kind of the artifact that says how often the grant of a session and client was dropped while the session went on. */
const kind = 'GrantGeneration'
/** Groups do not hear of a drop at once, nor agree on the time: the next name holds for longer than the mark on the former one. */
const marginMs = 3 * 3_600_000

type GenerationStore = Pick<Store, 'getArtifact'>

/**
 * Which grant of a session and client this is. One that follows another has another name: a group that hears of the drop
 * after the new grant, or goes on remembering it, refuses whatever has the former one.
 */
export async function generationOf(store: GenerationStore, accountId: string, clientId: string, nowMs: number): Promise<number> {
  const found = (await store.getArtifact(kind, idOf(accountId, clientId), nowMs))?.value
  return typeof found === 'number' ? found : 0
}

/** Makes the next grant of a session and client another one. */
export async function nextGeneration(
  store: GenerationStore & Pick<Store, 'putArtifact'>,
  { accountId, clientId }: GrantOwner,
  { nowMs, refreshTokenSeconds }: { readonly nowMs: number; readonly refreshTokenSeconds: number }
): Promise<void> {
  const value = (await generationOf(store, accountId, clientId, nowMs)) + 1
  await store.putArtifact({ kind, id: idOf(accountId, clientId), untilMs: nowMs + refreshTokenSeconds * 1000 + marginMs, value })
}

export interface GrantOwner {
  readonly accountId: string
  readonly clientId: string
}

/**
 * Drops everything that was issued under a grant, while its session goes on; the next grant has another name.
 * @param grantKey - what its artifacts are kept under
 * @returns how many codes, tokens and grants were dropped
 */
export async function dropGrant({ store, clock, clients }: Pick<AuthorityContext, 'store' | 'clock' | 'clients'>, grantKey: string): Promise<number> {
  const nowMs = clock.nowMs()
  const owner = await ownerOf(store, grantKey, nowMs)
  const client = owner === undefined ? undefined : await clients.find(owner.clientId)
  const { value } = await store.dropGrant(grantKey)
  if (owner !== undefined && client !== undefined && (await isPresent(store, owner, grantKey, nowMs)))
    await nextGeneration(store, owner, { nowMs, refreshTokenSeconds: client.refreshTokenSeconds })
  return value
}

/** A grant that was dropped already has its successor. */
async function isPresent(store: GenerationStore, { accountId, clientId }: GrantOwner, grantKey: string, nowMs: number): Promise<boolean> {
  return grantKey === grantKeyOf(accountId, clientId, await generationOf(store, accountId, clientId, nowMs))
}

/** Whose grant it is, as anything that was issued under it says. */
async function ownerOf(store: Pick<Store, 'artifactsOfGrant'>, grantKey: string, nowMs: number): Promise<GrantOwner | undefined> {
  for (const issued of ['Grant', 'RefreshToken', 'AccessToken', 'AuthorizationCode']) {
    const [found] = await store.artifactsOfGrant(grantKey, issued, nowMs, 1)
    const owner = found === undefined ? undefined : namedIn(found)
    if (owner !== undefined) return owner
  }
  return undefined
}

function namedIn({ value }: Artifact): GrantOwner | undefined {
  const { accountId, clientId } = value as Partial<GrantOwner>
  return typeof accountId === 'string' && typeof clientId === 'string' ? { accountId, clientId } : undefined
}

function idOf(accountId: string, clientId: string): string {
  return keyOf(`generation\0${grantIdOf(accountId, clientId)}`)
}
