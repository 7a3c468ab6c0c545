import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import type { Replication } from '../fact.ts'
import type { Store } from '../store.ts'

/** A store under test and what can be done around it. */
export interface OpenedStore {
  readonly store: Store
  /** Closes the store and opens what it left behind. Absent where nothing is left. */
  readonly reopen?: () => Promise<Store>
  readonly close: () => Promise<void>
}

/** `replication`: the store takes part in it. */
export type OpenStore = (capacity: number, replication?: Replication) => Promise<OpenedStore>

/** Live sessions that the stores of the suite take, unless a test says otherwise. */
const capacityDefault = 1000

export type StoreTest = (name: string, body: (store: Store, opened: OpenedStore) => Promise<void>, capacity?: number) => void

/** Makes `test` for one implementation: every test gets an empty store of its own. */
export function storeTest(open: OpenStore): StoreTest {
  return (name, body, capacity = capacityDefault) => {
    test(name, async () => {
      const opened = await open(capacity)
      try {
        await body(opened.store, opened)
      } finally {
        await opened.close()
      }
    })
  }
}

/** Opens a session with its participants and returns it as it is stored. */
export async function signedOn(store: Store, session: Session, participants: readonly Participant[] = []): Promise<Session> {
  assert.equal((await store.openSession(session)).value, 'opened')
  for (const participant of participants) assert.equal((await store.addParticipant(session.id, participant)).value, 'added')
  return stored(store, session)
}

/** The session as the store knows it. */
export async function stored(store: Store, { id }: Pick<Session, 'id'>): Promise<Session> {
  const session = await store.getSession(id)
  assert.ok(session !== undefined, `${id} is not stored`)
  return session
}
