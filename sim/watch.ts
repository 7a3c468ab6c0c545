import type { DeliveryId, ParticipantId, RunId, SessionId } from '../packages/curfew/src/core/ids.ts'
import { countsAsSignedOut } from '../packages/curfew/src/core/outcome.ts'
import type { Delivery, LogoutRun, RunPolicy } from '../packages/curfew/src/core/run.ts'
import type { Session } from '../packages/curfew/src/core/session.ts'
import { channelOf } from '../packages/curfew/src/core/step.ts'
import { verdictOf } from '../packages/curfew/src/core/verdict.ts'
import type { Receipt } from '../packages/curfew/src/engine/receipt.ts'
import type { Clock } from '../packages/curfew/src/platform/clock.ts'
import type { EndCommit, Store } from '../packages/curfew/src/stores/store.ts'
import { checkDelivery, type Known } from './invariants.ts'
import type { Partner } from './partner.ts'

/** Looks at every step: whatever an engine stores is judged in the moment it is stored. */
export interface Watch {
  /** The store for engines. */
  readonly store: Store
  /** Runs as they were last stored. */
  readonly runs: ReadonlyMap<RunId, LogoutRun>
  /** How sessions ended. */
  readonly ends: ReadonlyMap<SessionId, EndCommit>
  /** Looks at what no step tells: that something was due and did not happen, that something was forgotten. */
  look(): Promise<void>
  /** What holds once everything has had its time. */
  lookAtRest(): void
}

/** Since when everything could go on. */
export interface Calm {
  /** Birth of the oldest process that lives; undefined: none does. */
  readonly aliveSinceMs: number | undefined
  readonly lastDeathMs: number
}

export interface WatchOptions {
  readonly truth: Store
  readonly clock: Clock
  readonly partners: ReadonlyMap<string, Partner>
  readonly known: Known
  readonly calm: () => Calm
  readonly times: WatchedTimes
  /** Hears of a rule that does not hold; the engine that broke it must not be able to catch it. */
  readonly fail: (what: string) => void
}

/** How long the product may take for what. In milliseconds. */
export interface WatchedTimes {
  readonly policy: RunPolicy
  readonly leaseMs: number
  readonly outboxPollMs: number
  readonly expiryIntervalMs: number
  readonly revocationMs: number
}

/** Server-to-server messages of a run leave at once, whoever hangs. */
const promptMs = 100
const slackMs = 1_000

export function createWatch(options: WatchOptions): Watch {
  return new StoreWatch(options)
}

class StoreWatch implements Watch {
  readonly store: Store
  readonly runs = new Map<RunId, LogoutRun>()
  readonly ends = new Map<SessionId, EndCommit>()
  readonly #options: WatchOptions
  readonly #sris = new Map<SessionId, string>()
  /** When a delivery came into its run. */
  readonly #owedSinceMs = new Map<DeliveryId, number>()

  constructor(options: WatchOptions) {
    this.#options = options
    const { truth } = options
    this.store = {
      ...truth,
      endSession: async (commit) => {
        // In one turn: the session as this finds it.
        const [session, ack] = await Promise.all([truth.getSession(commit.sessionId), truth.endSession(commit)])
        if (ack.value.kind === 'ended' && session !== undefined) await this.#ended(session, commit)
        return ack
      },
      commitRun: async (commit) => {
        const ack = await truth.commitRun(commit)
        if (ack.value === 'committed') this.#changed(commit.run)
        return ack
      }
    }
  }

  async look(): Promise<void> {
    const nowMs = this.#options.clock.nowMs()
    for (const run of this.runs.values()) {
      this.#checkOutcomes(run)
      for (const delivery of run.deliveries) {
        this.#checkDue(run, delivery, nowMs)
        this.#checkWaiting(run, delivery, nowMs)
      }
    }
    await this.#checkRemembered(nowMs)
    await this.#checkLimits(nowMs)
  }

  lookAtRest(): void {
    for (const run of this.runs.values()) {
      if (run.receipt === undefined) this.#fail(`${run.id} has no receipt`)
      else this.#checkReceipt(run, run.receipt, true)
    }
  }

  #fail(what: string): void {
    this.#options.fail(what)
  }

  async #ended(session: Session, commit: EndCommit): Promise<void> {
    const { known, times, truth, clock } = this.#options
    const { id } = session
    const nowMs = clock.nowMs()
    if (this.ends.has(id)) this.#fail(`${id} ended twice`)
    this.ends.set(id, commit)
    this.#sris.set(id, session.sri)
    const { reason } = commit.end
    const isByTimer = reason === 'idle-timeout' || reason === 'max-timeout'
    if (isByTimer && nowMs < (reason === 'idle-timeout' ? session.idleExpiresAtMs : session.expiresAtMs))
      this.#fail(`${id} ended by ${reason} before its limit`)
    if (!isByTimer && known.untouched.has(id)) this.#fail(`${id} was ended although nobody asked for it (${reason})`)
    if (!(await truth.isRevoked(session.sri, nowMs))) this.#fail(`${id} ended and its SRI is not revoked`)
    if ((commit.revokedUntilMs ?? 0) < nowMs + times.revocationMs) this.#fail(`${id} is not revoked for long enough`)
    this.#checkOwed(commit.run, known.acknowledged.get(id) ?? new Set())
    this.#changed(commit.run)
  }

  /** Everybody who was given an assertion is told, and nobody else; who started it is answered, and not told. */
  #checkOwed(run: LogoutRun, acknowledged: ReadonlySet<string>): void {
    const starter = starterOf(run)
    for (const id of acknowledged) {
      const count = run.deliveries.filter(({ participantId }) => participantId === id).length
      if (id !== starter && count !== 1) this.#fail(`${run.id} owes ${id} exactly one delivery and has ${count}`)
    }
  }

  #changed(run: LogoutRun): void {
    const before = this.runs.get(run.id)
    this.runs.set(run.id, run)
    const nowMs = this.#options.clock.nowMs()
    const starter = starterOf(run)
    for (const delivery of run.deliveries) {
      const { id } = delivery
      if (!this.#owedSinceMs.has(id)) this.#owedSinceMs.set(id, nowMs)
      const old = before?.deliveries.find((one) => one.id === id)
      if (delivery.participantId === starter) this.#fail(`${run.id} tells ${delivery.peerId}, which started it`)
      if (old !== undefined) this.#checkKept(run, old, delivery)
      this.#checkDue(run, delivery, nowMs)
      this.#checkProof(run, delivery)
    }
    for (const old of before?.deliveries ?? []) if (!run.deliveries.some(({ id }) => id === old.id)) this.#fail(`${run.id} forgot what it owes ${old.peerId}`)
    if ((run.state === 'done') !== run.deliveries.every(({ state }) => state === 'final')) this.#fail(`${run.id} is ${run.state} and its deliveries are not`)
    if (before?.starterAnsweredAtMs !== undefined && run.starterAnsweredAtMs !== before.starterAnsweredAtMs)
      this.#fail(`${run.id} forgot that its starter was answered`)
    this.#checkOutcomes(run)
    if (run.receipt !== undefined && run.receipt !== before?.receipt) this.#checkReceipt(run, run.receipt, false)
  }

  #checkOutcomes(run: LogoutRun): void {
    for (const delivery of run.deliveries) {
      const broken = checkDelivery(run, delivery, this.#options.partners)
      if (broken !== undefined) this.#fail(broken)
    }
  }

  /** What was final stays so, and becomes better by a proof alone: also where an administrator tries again. */
  #checkKept(run: LogoutRun, old: Delivery, now: Delivery): void {
    if (old.state !== 'final' || old.outcome?.kind === now.outcome?.kind) return
    const isBetter = countsAsSignedOut(now.outcome) && old.outcome?.kind !== 'ended'
    if (now.state !== 'final' || !isBetter) this.#fail(`${run.id} ${now.peerId}: ${old.outcome?.kind} was final and became ${now.outcome?.kind ?? now.state}`)
  }

  /** A proof is the answer to a message of this delivery, not of another one. */
  #checkProof(run: LogoutRun, { outcome, attempts, peerId }: Delivery): void {
    if (outcome === undefined || !('proof' in outcome)) return
    const { proof } = outcome
    const said = proof.kind === 'signed-answer' ? proof.messageId : 'hash' in proof ? proof.hash : ''
    if (!attempts.some(({ messageId }) => said === `answer to ${messageId}`)) this.#fail(`${run.id} ${peerId} is ${outcome.kind} by a proof of something else`)
  }

  /** @param isLast - there is nothing under way that would make another one */
  #checkReceipt(run: LogoutRun, receipt: string, isLast: boolean): void {
    const said = JSON.parse(receipt) as Receipt
    const outcomes = new Map(said.participants.map((line) => [line.delivery, line.outcome]))
    for (const { id, peerId, outcome } of run.deliveries) {
      const line = outcomes.get(id)
      const isTrue = JSON.stringify(line) === JSON.stringify(outcome)
      if (isLast && !isTrue) this.#fail(`the receipt of ${run.id} says ${line?.kind ?? 'nothing'} of ${peerId}, which is ${outcome?.kind}`)
      if (!isTrue && countsAsSignedOut(line ?? undefined))
        this.#fail(`the receipt of ${run.id} calls ${peerId} signed out, which is ${outcome?.kind ?? 'open'}`)
    }
    if (isLast && said.verdict !== verdictOf(run).kind) this.#fail(`the receipt of ${run.id} says ${said.verdict}, and it is ${verdictOf(run).kind}`)
  }

  /**
   * Where the server of a partner failed and may answer again, nobody waits for a browser that has gone. What the product
   * says of when it asks again does not count here.
   */
  #checkWaiting(run: LogoutRun, { state, attempts, channels, offeredAtMs = 0, peerId }: Delivery, nowMs: number): void {
    const { aliveSinceMs = nowMs, lastDeathMs } = this.#options.calm()
    const { policy, leaseMs, outboxPollMs } = this.#options.times
    const asked = attempts.filter(({ channel }) => channel.kind === 'server')
    const isDue = state === 'waiting-for-browser' && asked.at(-1)?.isRetryable === true && asked.length < policy.attemptsMax
    if (!isDue || !channels.some(({ kind }) => kind === 'server') || run.browserSeenAtMs === undefined) return
    const goneAtMs = Math.max(run.browserSeenAtMs, attempts.at(-1)?.endedAtMs ?? 0, offeredAtMs) + policy.hopTimeoutMs + policy.patienceMs
    // A retry that is due no sooner than the deadline is none.
    const retryMs = Math.min(policy.retryCapMs, policy.retryBaseMs * 2 ** asked.length)
    const isInTime = goneAtMs + retryMs < run.startedAtMs + run.policy.deadlineMs
    if (isInTime && nowMs > Math.max(goneAtMs, aliveSinceMs, lastDeathMs) + leaseMs + outboxPollMs + slackMs)
      this.#fail(`${run.id} waits for a browser that has gone, and does not ask the server of ${peerId}`)
  }

  /** What can be done from server to server is done when it is due, whoever else hangs. */
  #checkDue(run: LogoutRun, delivery: Delivery, nowMs: number): void {
    if (delivery.state === 'final' || delivery.state === 'waiting-for-browser' || channelOf(delivery)?.kind !== 'server') return
    const { aliveSinceMs = nowMs, lastDeathMs } = this.#options.calm()
    const { policy, leaseMs, outboxPollMs } = this.#options.times
    const owedSinceMs = this.#owedSinceMs.get(delivery.id) ?? nowMs
    const [first] = delivery.attempts
    const isOnFirst = delivery.attempts.length <= 1 && (first === undefined || first.channel.kind === 'server')
    // A run that a dead process was at work on waits for the end of its lease before anything is done in it.
    const calmSinceMs = delivery.retryOf === undefined ? lastDeathMs : lastDeathMs + leaseMs + outboxPollMs
    if (isOnFirst && calmSinceMs < owedSinceMs && aliveSinceMs <= owedSinceMs && (first?.startedAtMs ?? nowMs) > owedSinceMs + promptMs)
      this.#fail(`${run.id} does not ask ${delivery.peerId} at once`)
    const last = delivery.attempts.at(-1)
    const dueAtMs = delivery.nextAttemptAtMs ?? (last === undefined ? owedSinceMs : last.startedAtMs + 2 * policy.sendTimeoutMs)
    if (nowMs > Math.max(dueAtMs, aliveSinceMs, lastDeathMs) + leaseMs + outboxPollMs + slackMs) this.#fail(`${run.id} does not go on with ${delivery.peerId}`)
  }

  /** An assertion of an ended session may still be presented: as long as it is valid, the end is known. */
  async #checkRemembered(nowMs: number): Promise<void> {
    const { truth } = this.#options
    for (const [id, { run, revokedUntilMs = 0 }] of this.ends) {
      const validUntilMs = Math.max(0, ...run.deliveries.map((delivery) => delivery.assertionNotOnOrAfterMs))
      const session = await truth.getSession(id)
      if (session === undefined && nowMs < validUntilMs) this.#fail(`${id} is forgotten while an assertion of it is valid`)
      if (session !== undefined && session.end?.runId !== run.id) this.#fail(`${id} had ended and is live again`)
      if (nowMs < revokedUntilMs && !(await truth.isRevoked(this.#sris.get(id) ?? '', nowMs)))
        this.#fail(`the SRI of ${id} left the list of revocations too early`)
    }
  }

  /** Nobody stays signed in past a limit for longer than until the next look of a process that lives. */
  async #checkLimits(nowMs: number): Promise<void> {
    const { truth, calm, times } = this.#options
    const { aliveSinceMs, lastDeathMs } = calm()
    const lookedAtMs = nowMs - 1.5 * times.expiryIntervalMs - slackMs
    if (aliveSinceMs === undefined || Math.max(aliveSinceMs, lastDeathMs) > lookedAtMs) return
    for (const { id, idleExpiresAtMs, expiresAtMs } of await truth.dueSessions(lookedAtMs, 10))
      this.#fail(`${id} outlived its limit by ${nowMs - Math.min(idleExpiresAtMs, expiresAtMs)} ms`)
  }
}

function starterOf({ starter }: LogoutRun): ParticipantId | undefined {
  return starter.kind === 'participant' ? starter.participantId : undefined
}
