/** A failed sign-in by its name among all regions. */
export interface NamedFailure {
  readonly origin?: string
  readonly number?: number
  readonly untilMs: number
}

/** Failed sign-ins that count no more: up to a number, by origin. */
export interface Cleared {
  readonly upTo: Readonly<Record<string, number>>
  readonly untilMs: number
}

/** What clears these failed sign-ins everywhere; undefined: none of them has a name. */
export function clearedBy(failures: readonly NamedFailure[]): Cleared | undefined {
  let cleared: Cleared | undefined
  for (const { origin, number, untilMs } of failures) {
    if (origin !== undefined && number !== undefined) cleared = joinCleared(cleared, { upTo: { [origin]: number }, untilMs })
  }
  return cleared
}

export function joinCleared(a: Cleared | undefined, b: Cleared): Cleared {
  if (a === undefined) return b
  const upTo: Record<string, number> = { ...a.upTo }
  for (const [origin, number] of Object.entries(b.upTo)) upTo[origin] = Math.max(number, upTo[origin] ?? 0)
  return { upTo, untilMs: Math.max(a.untilMs, b.untilMs) }
}

export function isCleared({ origin, number }: NamedFailure, cleared: Cleared | undefined): boolean {
  return origin !== undefined && number !== undefined && number <= (cleared?.upTo[origin] ?? 0)
}
