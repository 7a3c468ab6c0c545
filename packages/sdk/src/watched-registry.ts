import type { AppSession, SessionRegistry } from './session-registry.ts'

export interface RegistryWatch {
  /** True for a session that was revoked at the authority, or is older than is known. */
  isRevoked(session: AppSession): boolean
  /** True when that session of the authority was revoked: no sign-in of it opens anything. */
  isListed(sri: string): boolean
  /** Sessions that ended, by whatever way: their cookie values. */
  onEnded(ids: readonly string[]): void
  /** A session that was found revoked when somebody asked for it, and ended. */
  onRevoked(session: AppSession): void
  readonly nowMs: () => number
}

/** How long a browser may take to come back and be told that its session ended. */
const rememberedMs = 24 * 3_600_000

/** The same registry, with a revoked session absent and every end heard of. */
export function watchedRegistry(registry: SessionRegistry, watch: RegistryWatch): SessionRegistry {
  const ended = async (ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return
    watch.onEnded(ids)
    const nowMs = watch.nowMs()
    await Promise.all(ids.map((id) => registry.remember(endedKey(id), '1', nowMs + rememberedMs, nowMs, 'mark-if-room')))
  }
  const end = async (id: string): Promise<boolean> => {
    const isEnded = await registry.end(id)
    if (isEnded) await ended([id])
    return isEnded
  }
  return {
    open: (session) => registry.open(session),
    async get(id, nowMs) {
      const session = await registry.get(id, nowMs)
      if (session === undefined || !watch.isRevoked(session)) return session
      if (await end(id)) watch.onRevoked(session)
      return undefined
    },
    end,
    async endBySubject(subject, untilMs) {
      const sessions = await registry.endBySubject(subject, untilMs)
      await ended(sessions.map(({ id }) => id))
      return sessions
    },
    async endListed(...parts) {
      const sessions = await registry.endListed(...parts)
      await ended(sessions.map(({ id }) => id))
      return sessions
    },
    async isEnded(subject, nowMs) {
      return (subject.sri !== undefined && watch.isListed(subject.sri)) || registry.isEnded(subject, nowMs)
    },
    remember: (...parts) => registry.remember(...parts),
    isRemembered: (key, nowMs) => registry.isRemembered(key, nowMs),
    take: (key, nowMs) => registry.take(key, nowMs)
  }
}

/** Under which a registry remembers that the session of a cookie ended. */
export function endedKey(id: string): string {
  return `ended:${id}`
}
