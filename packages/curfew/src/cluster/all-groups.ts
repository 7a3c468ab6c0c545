import { isCurfewError } from '@curfew/codecs'
import { type Group, groupOf } from '../core/group.ts'
import type { SessionId } from '../core/ids.ts'
import { referenceIn } from '../core/reference-key.ts'
import type { Everywhere, Found } from '../stores/everywhere.ts'
import type { Store } from '../stores/store.ts'
import type { AskGroups } from './ask-groups.ts'
import { clientTokenKind, type SessionsThere } from './session-calls.ts'

export interface AllGroupsDeps {
  readonly others: readonly Group[]
  readonly there: SessionsThere
  readonly store: Store
  /** Looks in the store of this group only. */
  readonly local: Everywhere
  /** The session behind an index that was made here for this peer. */
  readonly openIndex: (peerId: string, sessionIndex: string) => SessionId | undefined
}

/** The other group that an identifier belongs to; undefined: this one, or none there is. */
export function otherGroupOf(others: readonly Group[], id: string): Group | undefined {
  const letter = groupOf(id)
  return letter === undefined ? undefined : others.find((group) => group.letter === letter)
}

/** Looks for sessions here and in every other group. */
export function createEverywhere({ others, there, local, openIndex }: AllGroupsDeps): Everywhere {
  const ask = async <T>(here: Promise<Found<T>>, groups: readonly Group[], question: (group: string) => Promise<readonly T[]>): Promise<Found<T>> => {
    // Together: what is refused here while others are still asked has to be noticed at once.
    const [{ found }, answers] = await Promise.all([
      here,
      Promise.all(groups.map(async ({ id }) => ({ id, found: await question(id).catch(unlessUnreached) })))
    ])
    return {
      found: [...found, ...answers.flatMap((answer) => answer.found ?? [])],
      unreached: answers.filter((answer) => answer.found === undefined).map(({ id }) => id)
    }
  }
  return {
    byUser: (userKey) => ask(local.byUser(userKey), others, (group) => there.byUser(group, userKey)),
    byName: (peerId, value) => ask(local.byName(peerId, value), others, (group) => there.find(group, { by: 'name', peerId, value })),
    byIndex: (peerId, value) => {
      const own = openIndex(peerId, value)
      const owner = own === undefined ? undefined : otherGroupOf(others, own)
      const groups = own === undefined ? others : owner === undefined ? [] : [owner]
      return ask(local.byIndex(peerId, value), groups, (group) => there.find(group, { by: 'index', peerId, value }))
    },
    byAddress: (address) => ask(local.byAddress(address), others, (group) => there.byAddress(group, address)),
    live: (query) => ask(local.live(query), others, (group) => there.live(group, query)),
    tally: (query) => ask(local.tally(query), others, async (group) => [await there.tally(group, query)])
  }
}

/** What a group that does not answer has is not known; any other failure is one. */
function unlessUnreached(error: unknown): undefined {
  if (isCurfewError(error) && error.code.startsWith('CURFEW_GROUP_')) return undefined
  throw error
}

/**
 * The store, with the sessions and runs of other groups read where they are, and references taken where they were left:
 * the server of an application calls any group, and shows the token that it got from any. Everything else stays here.
 */
export function withFarReads({ others, there, store, ask }: Pick<AllGroupsDeps, 'others' | 'there' | 'store'> & { readonly ask: AskGroups }): Store {
  const reads: Pick<Store, 'getSession' | 'getParticipants' | 'getRun' | 'touch' | 'txTake' | 'getArtifact'> = {
    async getArtifact(kind, id, nowMs) {
      let found = await store.getArtifact(kind, id, nowMs)
      if (found !== undefined || kind !== clientTokenKind) return found
      // It is kept under a hash, which says nothing of the group that made it.
      await ask(`${kind}:${id}`, others, async (group) => {
        found = await there.readClientToken(group, id)
        return found !== undefined
      })
      return found
    },
    async getSession(id) {
      const group = otherGroupOf(others, id)
      return group === undefined ? store.getSession(id) : (await there.read(group.id, id))?.session
    },
    async getParticipants(id) {
      const group = otherGroupOf(others, id)
      return group === undefined ? store.getParticipants(id) : ((await there.read(group.id, id))?.participants ?? [])
    },
    async getRun(id) {
      const group = otherGroupOf(others, id)
      return group === undefined ? store.getRun(id) : there.readRun(group.id, id)
    },
    async touch(id, lastActivityAtMs, idleExpiresAtMs) {
      const group = otherGroupOf(others, id)
      return group === undefined ? store.touch(id, lastActivityAtMs, idleExpiresAtMs) : there.touch(group.id, id, lastActivityAtMs, idleExpiresAtMs)
    },
    async txTake(key, nowMs) {
      const reference = referenceIn(key)
      const group = reference === undefined ? undefined : otherGroupOf(others, reference)
      return group === undefined ? store.txTake(key, nowMs) : { value: await there.takeReference(group.id, key), durability: 'local' }
    }
  }
  return new Proxy(store, {
    get(target, name) {
      const own: unknown = Reflect.get(reads, name)
      const value: unknown = own ?? Reflect.get(target, name, target)
      return typeof value === 'function' && own === undefined ? (value.bind(target) as unknown) : value
    }
  })
}
