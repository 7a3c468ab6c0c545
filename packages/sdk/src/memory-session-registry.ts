import { CurfewError } from '@curfew/codecs'
import { createExpiringMap, type ExpiringMap } from './expiring-map.ts'
import { keysOf, keysOfSubject, listedKey } from './session-keys.ts'
import type { AppSession, LogoutSubject, SessionRegistry, SpareKind, Tombstone } from './session-registry.ts'

/**
 * Most entries of each kind that one process keeps. What strangers can cause has limits of its own, where the oldest gives
 * way; sessions, and what a verified message left, never do: when there is no room, what is new is refused.
 */
export interface RegistryLimits {
  /** More sign-ins are refused. */
  readonly sessionsMax: number
  /** Names and sessions that a verified message ended; more such messages are refused, for the sender to try again. */
  readonly tombstonesMax: number
  /** The same by messages that nobody signed; the oldest give way. */
  readonly unsignedTombstonesMax: number
  /** One-time values; more are refused. */
  readonly valuesMax: number
  /** Values that are remembered if there is room, as the sign-ins that anybody can begin; the oldest give way. */
  readonly spareValuesMax: number
  /** Marks of sessions that ended, for browsers that have not heard of it; the oldest give way. */
  readonly endedMarksMax: number
}

/** Most sessions one process keeps; a new sign-in is refused rather than an old one forgotten. */
export const sessionsMax = 100_000

/** The limits where the application sets none. */
export const registryLimits: RegistryLimits = {
  sessionsMax,
  tombstonesMax: 400_000,
  unsignedTombstonesMax: 10_000,
  valuesMax: 500_000,
  spareValuesMax: 50_000,
  endedMarksMax: 50_000
}

interface Value {
  readonly value: string
  readonly untilMs: number
}

/** A registry in the memory of one process. */
export function createMemorySessionRegistry(limits: Partial<RegistryLimits> = {}): SessionRegistry {
  const registry = new MemoryRegistry({ ...registryLimits, ...limits })
  return {
    open: (session) => registry.open(session),
    get: (id, nowMs) => registry.get(id, nowMs),
    end: (id) => registry.end(id),
    endBySubject: (subject, untilMs) => registry.endBySubject(subject, untilMs),
    endListed: (...parts) => registry.endListed(...parts),
    isEnded: (subject, nowMs) => registry.isEnded(subject, nowMs),
    remember: (...parts) => registry.remember(...parts),
    isRemembered: (key, nowMs) => registry.isRemembered(key, nowMs),
    take: (key, nowMs) => registry.take(key, nowMs)
  }
}

class MemoryRegistry implements SessionRegistry {
  readonly #limits: RegistryLimits
  readonly #byKey = new Map<string, Set<string>>()
  readonly #sessions: ExpiringMap<AppSession> = createExpiringMap((session) => this.#unindex(session))
  readonly #tombstones: ExpiringMap<Tombstone> = createExpiringMap()
  readonly #unsignedTombstones: ExpiringMap<Tombstone> = createExpiringMap()
  readonly #values: ExpiringMap<Value> = createExpiringMap()
  readonly #spares: Readonly<Record<SpareKind, ExpiringMap<Value>>> = { 'if-room': createExpiringMap(), 'mark-if-room': createExpiringMap() }
  /** The latest time that was told with a call. */
  #latestMs = 0

  constructor(limits: RegistryLimits) {
    this.#limits = limits
  }

  async open(session: AppSession): Promise<void> {
    this.#pass(session.createdAtMs)
    this.#drop(session.id)
    if (this.#sessions.size >= this.#limits.sessionsMax) throw full('sessions', this.#limits.sessionsMax)
    this.#sessions.set(session.id, session, session.expiresAtMs)
    for (const key of keysOf(session)) this.#byKey.set(key, (this.#byKey.get(key) ?? new Set()).add(session.id))
  }

  async get(id: string, nowMs: number): Promise<AppSession | undefined> {
    const session = this.#sessions.get(id)
    if (session === undefined || session.expiresAtMs > nowMs) return session
    this.#drop(id)
    return undefined
  }

  async end(id: string): Promise<boolean> {
    return this.#drop(id)
  }

  async endBySubject(subject: LogoutSubject, untilMs: number): Promise<readonly AppSession[]> {
    this.#pass(this.#latestMs)
    const keys = keysOfSubject(subject)
    // Before anything ends: who is refused hears so, and tries again.
    this.#leaveTombstones(keys, untilMs, subject)
    const { sparesIssuedAfterMs = Number.POSITIVE_INFINITY } = subject
    const ended = this.#under(keys).filter(({ issuedAtMs, createdAtMs }) => (issuedAtMs ?? createdAtMs) <= sparesIssuedAfterMs)
    for (const { id } of ended) this.#drop(id)
    return ended
  }

  async endListed(fingerprints: readonly string[], tombstone?: Tombstone): Promise<readonly AppSession[]> {
    const keys = fingerprints.map(listedKey)
    if (tombstone !== undefined) {
      this.#pass(this.#latestMs)
      this.#leaveTombstones(keys, tombstone.untilMs, tombstone)
    }
    const ended = this.#under(keys)
    for (const { id } of ended) this.#drop(id)
    return ended
  }

  async isEnded(subject: Parameters<SessionRegistry['isEnded']>[0], nowMs: number): Promise<boolean> {
    return keysOf(subject).some((key) =>
      [this.#tombstones.get(key), this.#unsignedTombstones.get(key)].some(
        (tombstone) => tombstone !== undefined && tombstone.untilMs > nowMs && (subject.issuedAtMs ?? 0) <= tombstone.issuedUntilMs
      )
    )
  }

  async remember(key: string, value: string, untilMs: number, nowMs: number, keep?: SpareKind): Promise<boolean> {
    // In one turn with what follows: of two that come at once one is first.
    if (this.#isRemembered(key, nowMs)) return false
    this.#pass(nowMs)
    const { valuesMax, spareValuesMax, endedMarksMax } = this.#limits
    const max = keep === undefined ? valuesMax : keep === 'if-room' ? spareValuesMax : endedMarksMax
    const kept = keep === undefined ? this.#values : this.#spares[keep]
    if (kept.size >= max && keep !== undefined) kept.dropFirst()
    if (kept.size >= max) throw full('values', max)
    kept.set(key, { value, untilMs }, untilMs)
    return true
  }

  async isRemembered(key: string, nowMs: number): Promise<boolean> {
    return this.#isRemembered(key, nowMs)
  }

  async take(key: string, nowMs: number): Promise<string | undefined> {
    const entry = this.#valueOf(key)
    for (const map of this.#valueMaps()) map.delete(key)
    return entry !== undefined && entry.untilMs > nowMs ? entry.value : undefined
  }

  #isRemembered(key: string, nowMs: number): boolean {
    return (this.#valueOf(key)?.untilMs ?? 0) > nowMs
  }

  #valueOf(key: string): Value | undefined {
    for (const map of this.#valueMaps()) {
      const value = map.get(key)
      if (value !== undefined) return value
    }
    return undefined
  }

  #valueMaps(): readonly ExpiringMap<Value>[] {
    return [this.#values, this.#spares['if-room'], this.#spares['mark-if-room']]
  }

  #leaveTombstones(
    keys: readonly string[],
    untilMs: number,
    { issuedUntilMs = Number.POSITIVE_INFINITY, isUnsigned = false }: Pick<LogoutSubject, 'issuedUntilMs' | 'isUnsigned'>
  ): void {
    const { tombstonesMax, unsignedTombstonesMax } = this.#limits
    const [kept, max] = isUnsigned ? [this.#unsignedTombstones, unsignedTombstonesMax] : [this.#tombstones, tombstonesMax]
    const more = keys.filter((key) => !kept.has(key)).length
    if (isUnsigned && kept.size + more > max) kept.dropFirst()
    if (kept.size + more > max) throw full('tombstones', max)
    for (const key of keys) {
      const known = kept.get(key) ?? { untilMs: 0, issuedUntilMs: 0 }
      const tombstone = { untilMs: Math.max(untilMs, known.untilMs), issuedUntilMs: Math.max(issuedUntilMs, known.issuedUntilMs) }
      kept.set(key, tombstone, tombstone.untilMs)
    }
  }

  #under(keys: readonly string[]): readonly AppSession[] {
    const ids = new Set(keys.flatMap((key) => [...(this.#byKey.get(key) ?? [])]))
    return [...ids].flatMap((id) => this.#sessions.get(id) ?? [])
  }

  #drop(id: string): boolean {
    const session = this.#sessions.get(id)
    if (session === undefined) return false
    this.#unindex(session)
    return this.#sessions.delete(id)
  }

  #unindex(session: AppSession): void {
    for (const key of keysOf(session)) {
      const ids = this.#byKey.get(key)
      ids?.delete(session.id)
      if (ids?.size === 0) this.#byKey.delete(key)
    }
  }

  /** Time goes on: what is over leaves. */
  #pass(nowMs: number): void {
    this.#latestMs = Math.max(this.#latestMs, nowMs)
    for (const map of [this.#sessions, this.#tombstones, this.#unsignedTombstones, ...this.#valueMaps()]) map.expire(this.#latestMs)
  }
}

function full(what: string, max: number): CurfewError {
  return new CurfewError('CURFEW_SESSION_REGISTRY_FULL', { what, max })
}
