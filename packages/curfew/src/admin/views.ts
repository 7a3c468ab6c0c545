import { redact } from '@curfew/codecs'
import type { Peer } from '../core/peer.ts'
import type { Participant } from '../core/participant.ts'
import type { Delivery, LogoutRun } from '../core/run.ts'
import { isLive, type Actor, type Session } from '../core/session.ts'
import { verdictOf } from '../core/verdict.ts'
import type { AuditRecord } from '../stores/store.ts'
import type { AuditView, DeliveryView, RunView, SessionDetail, SessionView } from './schemas.ts'

/** Leaves out what is undefined, so that JSON and types agree. */
function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }
}

function actorText(actor: Actor): string {
  return actor.kind === 'system' ? actor.id : `${actor.kind} ${actor.id}`
}

export function sessionViewOf(session: Session, applications: readonly string[], nowMs: number): SessionView {
  return present({
    id: session.id,
    user: session.username,
    source: session.sourceId,
    state: session.end !== undefined ? ('ended' as const) : isLive(session, nowMs) ? ('live' as const) : ('expired' as const),
    createdAtMs: session.createdAtMs,
    lastActivityAtMs: session.lastActivityAtMs,
    idleExpiresAtMs: session.idleExpiresAtMs,
    expiresAtMs: session.expiresAtMs,
    address: session.address,
    userAgent: session.userAgent,
    applications: [...new Set(applications)],
    end: session.end && { atMs: session.end.atMs, reason: session.end.reason, by: actorText(session.end.by), run: session.end.runId }
  }) as SessionView
}

export function sessionDetailOf(session: Session, participants: readonly Participant[], peer: (id: string) => Peer | undefined, nowMs: number): SessionDetail {
  const view = sessionViewOf(
    session,
    participants.map((p) => p.peerId),
    nowMs
  )
  return {
    ...view,
    participants: participants.map((p) => ({
      peer: p.peerId,
      name: peer(p.peerId)?.name ?? p.peerId,
      nameId: redact(p.nameId.value),
      addedAtMs: p.addedAtMs,
      ...(p.grant === undefined ? {} : { grant: p.grant }),
      ...(p.nameId.format === undefined ? {} : { format: p.nameId.format })
    }))
  }
}

export function runViewOf(run: LogoutRun): RunView {
  const { starter } = run
  return present({
    id: run.id,
    version: run.version,
    session: run.sessionId,
    user: run.username,
    reason: run.reason,
    startedBy: actorText(run.startedBy),
    starter: starter.kind === 'participant' ? `participant:${starter.peerId}` : starter.kind,
    ignoredLandings: starter.kind === 'user' ? starter.ignored?.map(({ parameter, why }) => `${parameter}: ${why}`) : undefined,
    state: run.state,
    verdict: verdictOf(run).kind,
    isPartialLogout: run.isPartial,
    startedAtMs: run.startedAtMs,
    finishedAtMs: run.finishedAtMs,
    deadlineAtMs: run.startedAtMs + run.policy.deadlineMs,
    hasReceipt: run.receipt !== undefined,
    deliveries: run.deliveries.map((delivery) => deliveryViewOf(delivery, run.policy.attemptsMax))
  }) as RunView
}

function deliveryViewOf(delivery: Delivery, attemptsMax: number): DeliveryView {
  const { outcome } = delivery
  return present({
    id: delivery.id,
    peer: delivery.peerId,
    name: delivery.peerName,
    grant: delivery.grant,
    state: delivery.state,
    outcome: outcome?.kind,
    code: outcome !== undefined && 'code' in outcome ? outcome.code : undefined,
    proof: outcome !== undefined && 'proof' in outcome ? proofText(outcome.proof) : undefined,
    statusCode: outcome?.kind === 'refused' ? outcome.statusCode : undefined,
    channels: delivery.channels.map((channel) => `${channel.kind}/${channel.binding}`),
    attempts: delivery.attempts.map((attempt) =>
      present({
        number: attempt.number,
        channel: `${attempt.channel.kind}/${attempt.channel.binding}`,
        url: attempt.channel.url,
        messageId: attempt.messageId,
        startedAtMs: attempt.startedAtMs,
        endedAtMs: attempt.endedAtMs,
        code: attempt.code
      })
    ),
    attemptsMax,
    nextAttemptAtMs: delivery.nextAttemptAtMs,
    finalAtMs: delivery.finalAtMs,
    retryOf: delivery.retryOf
  }) as DeliveryView
}

function proofText(proof: { readonly kind: string; readonly hash?: string }): string {
  return proof.hash === undefined ? proof.kind : `${proof.kind} sha256:${proof.hash.slice(0, 16)}`
}

export function auditViewOf(record: AuditRecord & { readonly id: number }): AuditView {
  return present({
    id: record.id,
    atMs: record.atMs,
    event: record.event,
    actor: actorText(record.actor),
    user: record.userKey,
    session: record.sessionId,
    run: record.runId,
    peer: record.peerId,
    code: record.code,
    detail: record.detail
  }) as AuditView
}
