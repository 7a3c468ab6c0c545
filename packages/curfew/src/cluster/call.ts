import type { z } from 'zod'
import type { Group } from '../core/group.ts'

/** What a served call learns of its caller. Every call is proved before its handler sees it. */
export interface Caller {
  readonly group: Group
  /** When the caller stops waiting, by the clock of this node: its remaining time, counted from when the call arrived. */
  readonly deadlineMs: number
}

/** Answers one kind of call. What it returns is sent as JSON. */
export type CallHandler<Body> = (body: Body, caller: Caller) => Promise<unknown>

export interface ServeOptions {
  /**
   * The call reads only, so that it does no harm to answer a copy of it at another node of this group. Absent: each call
   * is carried out once by the whole group, which costs a write in the store.
   */
  readonly isRead?: true
}

export interface CallOptions<Answer> {
  /** What the answer has to look like. */
  readonly answer: z.ZodType<Answer>
  /** For the whole exchange. Default: {@link callMs}. */
  readonly timeoutMs?: number
  /** Default: {@link answerBytesMax}. */
  readonly answerBytesMax?: number
  /** The caller waits no longer. What the call does there it may do all the same. */
  readonly signal?: AbortSignal
  /** For a call that may take long: it is given up when the group no longer says how it is ({@link missedHellosMax}). */
  readonly givesUpWhenSilent?: true
}

/** How long a call may take unless it says otherwise. */
export const callMs = 5_000
/** So many times in a row a group does not say how it is until calls that may take long no longer wait for it. */
export const missedHellosMax = 2
/** Largest body of a call. */
export const bodyBytesMax = 1024 * 1024
/** Largest answer unless the call says otherwise. */
export const answerBytesMax = 8 * 1024 * 1024
/** How far the clocks of two groups may be apart; a call is good for so long. */
export const windowMs = 60_000
/** Calls that a node remembers within the window; beyond it calls are refused, none is forgotten. */
export const noncesMax = 200_000
/** Names of calls, such as `facts.read`. */
export const callName = /^[a-z][A-Za-z]{0,31}(\.[a-z][A-Za-z]{0,31}){1,2}$/
