import type { Artifact, Store } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import { keyOf } from './artifact-key.ts'
import { grantIdOf, grantKeyOf } from './grant-name.ts'

/** Kind of the artifact that says how often the grant of a session and client was dropped while the session went on. */
const kind = 'GrantGeneration'
/** Groups do not hear of a drop at once, nor agree on the time: the next name holds for longer than the mark on the former one. */
const marginMs = 3 * 3_600_000
/** The mark is put anew when it is older, so that not every token costs a write. */
const renewedAfterMs = 3_600_000

type GenerationStore = Pick<Store, 'getArtifact' | 'putArtifact'>

export interface GrantOwner {
  readonly accountId: string
  readonly clientId: string
}

/** How long whatever is issued now may live; access tokens live no longer than refresh tokens. */
export interface IssueTime {
  readonly nowMs: number
  readonly refreshTokenSeconds: number
}

/**
 * Which grant of a session and client this is. One that follows another has another name: a group that hears of the drop
 * after the new grant, or goes on remembering it, refuses whatever has the former one.
 */
export async function generationOf(store: Pick<Store, 'getArtifact'>, { accountId, clientId }: GrantOwner, nowMs: number): Promise<number> {
  return numberIn(await store.getArtifact(kind, idOf(accountId, clientId), nowMs))
}

/** The same for something that is about to be issued: whoever ends the grant finds it by that name as long as it lives. */
export async function holdGeneration(store: GenerationStore, owner: GrantOwner, time: IssueTime): Promise<number> {
  const found = await store.getArtifact(kind, idOf(owner.accountId, owner.clientId), time.nowMs)
  const generation = numberIn(found)
  if (found !== undefined && generation > 0 && found.untilMs + renewedAfterMs < untilMsOf(time)) await put(store, owner, generation, time)
  return generation
}

/** Makes the next grant of a session and client another one than this. */
export async function nextGeneration(store: GenerationStore, owner: GrantOwner, generation: number, time: IssueTime): Promise<void> {
  await put(store, owner, generation + 1, time)
}

async function put(store: GenerationStore, { accountId, clientId }: GrantOwner, value: number, time: IssueTime): Promise<void> {
  await store.putArtifact({ kind, id: idOf(accountId, clientId), untilMs: untilMsOf(time), value }, { isEnding: true })
}

function untilMsOf({ nowMs, refreshTokenSeconds }: IssueTime): number {
  return nowMs + refreshTokenSeconds * 1000 + marginMs
}

function numberIn(found: Artifact | undefined): number {
  return typeof found?.value === 'number' ? found.value : 0
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
  if (owner === undefined || client === undefined) return value
  const time = { nowMs, refreshTokenSeconds: client.refreshTokenSeconds }
  const generation = await generationOf(store, owner, nowMs)
  const dropped = [generation, generation + 1].find((one) => grantKey === grantKeyOf(owner.accountId, owner.clientId, one))
  // One that was dropped before has its successor already, whose name holds for as long as this drop is remembered.
  if (dropped === undefined) await holdGeneration(store, owner, time)
  else await nextGeneration(store, owner, dropped, time)
  return value
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
