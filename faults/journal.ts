/** One time that an application was asked to end a session of its own. */
export interface Heard {
  /** In milliseconds since 1970. */
  readonly atMs: number
  /** When the message that asked was made (`iat`), to the second. */
  readonly madeAtMs: number
  /** Its name (`jti`). */
  readonly messageId: string
}

/** What applications wrote down themselves: the truth that outcomes are held against. */
export interface Journal {
  /** Each time that an application was asked to end the session that it knows by this `sid`, in order. */
  of(application: string, sid: string): readonly Heard[]
}

/** A journal that is being written. */
export interface OpenJournal extends Journal {
  write(application: string, sid: string, heard: Heard): void
}

export function createJournal(): OpenJournal {
  const entries = new Map<string, Heard[]>()
  const nameOf = (application: string, sid: string): string => `${application} ${sid}`
  return {
    of: (application, sid) => entries.get(nameOf(application, sid)) ?? [],
    write(application, sid, heard) {
      const name = nameOf(application, sid)
      const before = entries.get(name)
      if (before === undefined) entries.set(name, [heard])
      else before.push(heard)
    }
  }
}
