import type { WebSession } from './web-session.ts'

/** Users whose every session the provider ended: what they signed in to before that moment is over. */
export interface EndedSubjects {
  end(subject: string, nowMs: number): void
  isEnded(session: WebSession): boolean
}

/** Entries before those are looked for that no session can be older than. */
const cleanAfter = 1_000

/** @param maxMs - longest life of a web session: older entries say nothing any more */
export function createEndedSubjects(maxMs: number): EndedSubjects {
  const ended = new Map<string, number>()
  let cleanAt = cleanAfter
  return {
    end(subject, nowMs) {
      ended.set(subject, nowMs)
      if (ended.size < cleanAt) return
      for (const [known, atMs] of ended) if (atMs + maxMs < nowMs) ended.delete(known)
      cleanAt = ended.size + cleanAfter
    },
    isEnded: ({ subject, startedAtMs }) => startedAtMs <= (ended.get(subject) ?? -1)
  }
}
