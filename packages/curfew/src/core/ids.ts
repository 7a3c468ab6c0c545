/**
 * Identifiers of the domain. The prefix is part of the value and is what people see (`ses_`, `run_` ...).
 * Template types keep a run id from being passed where a session id is meant.
 */

/** A session at the authority: `ses_` + group character + bucket tag (2) + 22 random characters. */
export type SessionId = `ses_${string}`

/** One logout of one session. Unguessable: it is part of the address of the sign-off page. */
export type RunId = `run_${string}`

/** What one run owes to one participant. */
export type DeliveryId = `dlv_${string}`

/** The configured name of a peer, as written in the configuration (`payroll`). */
export type PeerId = string

/**
 * One participant of one session: the peer and a short digest of the identifier it was given, so that the same
 * peer with the same identifier is the same participant however often an assertion is issued.
 */
export type ParticipantId = `${PeerId}:${string}`

/** Stable key of a user over all sessions: authentication source and user name, for example `local:ana`. */
export type UserKey = string
