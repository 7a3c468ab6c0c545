import type { Attempt, Delivery, Effect, LogoutRun, RunPolicy } from '../../core/run.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import type { EndCommit } from '../store.ts'

/** 2026-01-01T00:00:00Z: the time at which samples begin. */
export const t0 = 1_767_225_600_000
export const hourMs = 3_600_000

/** A session that is like a real one in every field; `n` tells it from others. */
export function sampleSession(n: number, change: Partial<Session> = {}): Session {
  const username = change.username ?? 'ana'
  return {
    id: `ses_0a7${String(n).padStart(22, '0')}`,
    version: 1,
    userKey: `form:${username}`,
    username,
    sourceId: 'form',
    attributes: { mail: [`${username}@example.org`], groups: ['staff', 'käse'] },
    authnContext: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
    createdAtMs: t0 + n,
    authenticatedAtMs: t0 + n,
    lastActivityAtMs: t0 + n,
    idleExpiresAtMs: t0 + n + hourMs,
    expiresAtMs: t0 + n + 8 * hourMs,
    idleTimeoutMs: hourMs,
    persistent: false,
    tokenHash: `token-${n}`,
    sri: `sri-${n}`,
    userAgent: 'Mozilla/5.0',
    address: '192.0.2.1',
    ...change
  }
}

/** A participant of session `n` at a peer, with an index that belongs to both. */
export function sampleParticipant(peerId: string, n: number, change: Partial<Participant> = {}): Participant {
  return {
    id: `${peerId}:0`,
    peerId,
    role: 'application',
    protocol: 'saml',
    nameId: {
      value: 'ana@example.org',
      format: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
      spNameQualifier: `https://${peerId}.example`
    },
    sessionIndex: `${peerId}-index-${n}`,
    addedAtMs: t0 + 1000,
    lastIssuedAtMs: t0 + 1000,
    assertionNotOnOrAfterMs: t0 + 301_000,
    consumerUrl: `https://${peerId}.example/acs`,
    ...change
  }
}

const samplePolicy: RunPolicy = {
  attemptsMax: 4,
  retryBaseMs: 1000,
  retryCapMs: 60_000,
  sendTimeoutMs: 5000,
  hopTimeoutMs: 30_000,
  frameTimeoutMs: 5000,
  patienceMs: 10_000,
  deadlineMs: hourMs
}

export function sampleAttempt(number: number, messageId: string): Attempt {
  return {
    number,
    channel: { kind: 'server', binding: 'soap', url: 'https://payroll.example/slo' },
    messageId,
    startedAtMs: t0 + 5000 + number
  }
}

export function sampleDelivery(participant: Participant, attempts: readonly Attempt[] = []): Delivery {
  return {
    id: `dlv_${participant.id}`,
    participantId: participant.id,
    peerId: participant.peerId,
    peerName: participant.peerId,
    nameId: participant.nameId,
    sessionIndex: participant.sessionIndex,
    assertionNotOnOrAfterMs: participant.assertionNotOnOrAfterMs,
    channels: [{ kind: 'server', binding: 'soap', url: `https://${participant.peerId}.example/slo` }],
    channelIndex: 0,
    returnsBrowser: true,
    state: attempts.length === 0 ? 'pending' : 'sent',
    attempts
  }
}

/** The run that ends a session, with one delivery for each participant. */
export function sampleRun(n: number, session: Session, participants: readonly Participant[], change: Partial<LogoutRun> = {}): LogoutRun {
  return {
    id: `run_${n}`,
    version: 1,
    sessionId: session.id,
    userKey: session.userKey,
    username: session.username,
    sri: session.sri,
    tokenHash: session.tokenHash,
    reason: 'user',
    startedBy: { kind: 'user', id: session.username },
    starter: { kind: 'user' },
    startedAtMs: t0 + 5000 + n,
    policy: samplePolicy,
    deliveries: participants.map((participant) => sampleDelivery(participant)),
    state: 'open',
    ...change
  }
}

/** Everything an ending writes, planned against the session and participants as given. */
export function sampleEnd(n: number, session: Session, participants: readonly Participant[] = [], change: Partial<EndCommit> = {}): EndCommit {
  const run = change.run ?? sampleRun(n, session, participants)
  return {
    sessionId: session.id,
    expectedVersion: session.version,
    end: { atMs: run.startedAtMs, reason: run.reason, by: run.startedBy, runId: run.id },
    revokedUntilMs: session.expiresAtMs === Number.MAX_SAFE_INTEGER ? t0 + hourMs : session.expiresAtMs,
    run,
    effects: run.deliveries.map(({ id }): Effect => ({ kind: 'send', deliveryId: id, attempt: 1, dueAtMs: run.startedAtMs })),
    ...change
  }
}
