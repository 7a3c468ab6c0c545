import type { UserKey } from '../../core/ids.ts'

/** Passwords that this process is checking now, by person: their attempts are counted already, and may yet turn out right. */
export interface OpenChecks {
  /** Opens a check; the answer closes it. */
  begin(userKey: UserKey): () => void
  /** When the next check of this person closes; undefined: none is open. */
  next(userKey: UserKey): Promise<void> | undefined
}

interface Open {
  count: number
  next: PromiseWithResolvers<void>
}

/** None is open yet. */
export function createOpenChecks(): OpenChecks {
  const all = new Map<UserKey, Open>()
  return {
    begin(userKey) {
      const open = all.get(userKey) ?? { count: 0, next: Promise.withResolvers<void>() }
      open.count += 1
      all.set(userKey, open)
      return () => {
        open.count -= 1
        if (open.count === 0) all.delete(userKey)
        open.next.resolve()
        open.next = Promise.withResolvers<void>()
      }
    },
    next: (userKey) => all.get(userKey)?.next.promise
  }
}
