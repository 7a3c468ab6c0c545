/** What supports an outcome. `hash` is the SHA-256 (hex) of the proving octets. */
export type OutcomeProof =
  | { readonly kind: 'signed-answer'; readonly messageId: string; readonly hash: string; readonly signedBy: string }
  | { readonly kind: 'authenticated-2xx'; readonly hash: string }
  /** An answer made with a key that only the participant and this authority hold. */
  | { readonly kind: 'keyed-answer'; readonly hash: string }
  /**
   * The browser brought back a one-time value that went to the participant only: its word in the terms of a protocol
   * that knows no other, and weaker than the rest, because whoever sits at that browser could bring it, too.
   */
  | { readonly kind: 'browser-return'; readonly hash: string }
  /** What was to end was kept by this authority alone, which dropped it; `hash` is that of its name here. */
  | { readonly kind: 'own-record'; readonly hash: string }
  | { readonly kind: 'none' }

/**
 * How a delivery ended. Only `ended` and `already-ended` count as signed out, and both need a proof.
 * `code` is an error code of the catalogue that tells the reason.
 */
export type Outcome =
  | { readonly kind: 'ended' | 'already-ended'; readonly proof: OutcomeProof }
  | { readonly kind: 'unconfirmed'; readonly code: string }
  | { readonly kind: 'refused'; readonly code: string; readonly statusCode: string }
  | { readonly kind: 'unreachable' | 'timed-out'; readonly code: string; readonly attempts: number }
  | { readonly kind: 'unsupported' | 'not-asked'; readonly code: string }

export type OutcomeKind = Outcome['kind']

/** Open states of a delivery: it has no outcome yet. */
export type OpenState = 'pending' | 'sent' | 'waiting-for-browser' | 'retrying'

/** True for the two outcomes that count as signed out (DESIGN: words). */
export function countsAsSignedOut(outcome: Outcome | undefined): boolean {
  return outcome?.kind === 'ended' || outcome?.kind === 'already-ended'
}

const rank: Readonly<Record<OutcomeKind, number>> = {
  'not-asked': 0,
  unsupported: 1,
  unreachable: 2,
  'timed-out': 3,
  unconfirmed: 4,
  refused: 5,
  'already-ended': 6,
  ended: 7
}

/** Joins what two nodes recorded about one delivery: the better proven one, in the order of the merge rules. */
export function joinOutcomes(a: Outcome | undefined, b: Outcome | undefined): Outcome | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  return rank[b.kind] > rank[a.kind] ? b : a
}
