import type { SessionId } from '../packages/curfew/src/core/ids.ts'
import type { Durability } from '../packages/curfew/src/stores/store.ts'

/** A session as whoever holds its cookie knows it. */
export interface Ticket {
  readonly id: SessionId
  readonly sri: string
  readonly tokenHash: string
}

/** When a call was begun and answered, in milliseconds of a clock that no fault moves and all processes share. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

export type Fact = 'opened' | 'added' | 'ended'

/** What the authority makes of a cookie: `unknown` is refused like `ended`, but nothing says that it ended. */
export type Answer = 'accepted' | 'ended' | 'unknown'

export type Acknowledged = {
  readonly kind: 'acknowledged'
  readonly what: Fact
  readonly lane: number
  readonly ticket: Ticket
  /** Which application was added; a node of a former version does not say. */
  readonly peerId?: string
  readonly durability: Durability
} & Span

/** What a node tells, one line each. */
export type Event =
  | { readonly kind: 'ready' }
  | Acknowledged
  | ({ readonly kind: 'refused'; readonly what: Fact; readonly lane: number; readonly ticket: Ticket; readonly code: string } & Span)
  /** `answer` is absent where the store could not be asked: then nobody is let in. */
  | ({ readonly kind: 'checked'; readonly ticket: Ticket; readonly answer?: Answer } & Span)
  | { readonly kind: 'done'; readonly number: number }

/** What a node is told, one line each; it says `done` with the number when it is. */
export type Order = { readonly number: number } & (
  | { readonly what: 'load'; readonly lanes: number; readonly pauseMs: number }
  /** Resolves when every caller has its answer. */
  | { readonly what: 'idle' }
  | { readonly what: 'open'; readonly count: number }
  | { readonly what: 'end'; readonly ticket: Ticket }
  | { readonly what: 'check'; readonly tickets: readonly Ticket[] }
  /** As `curfew cluster forget`: another store may announce itself as that group. */
  | { readonly what: 'forget'; readonly group: string }
  /** An orderly stop. */
  | { readonly what: 'stop' }
)

/** An order before it has its number. */
export type Wish = Order extends infer One ? (One extends Order ? Omit<One, 'number'> : never) : never

/** Milliseconds since the machine was started: the same clock in every process, whatever is done to its date. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}
