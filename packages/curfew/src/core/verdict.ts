import { countsAsSignedOut, type OutcomeKind } from './outcome.ts'
import type { Delivery, LogoutRun, Starter } from './run.ts'

/** What a run comes to. `all-ended` is said only when every other participant proved it. */
export interface Verdict {
  readonly kind: 'working' | 'all-ended' | 'partial'
  readonly counts: Readonly<Partial<Record<OutcomeKind | 'open', number>>>
}

/** The latest delivery per participant: a repeat stands in for the one it repeats. */
export function standingDeliveries(run: LogoutRun): readonly Delivery[] {
  const repeated = new Set(run.deliveries.map((delivery) => delivery.retryOf))
  return run.deliveries.filter((delivery) => !repeated.has(delivery.id))
}

/** What the run set out to end: for a partial logout only the participants that were chosen. */
export function wantedDeliveries(run: LogoutRun): readonly Delivery[] {
  const standing = standingDeliveries(run)
  return run.isPartial === true ? standing.filter((delivery) => !isLeftOut(delivery)) : standing
}

/** Not chosen in a partial logout. */
export function isLeftOut({ outcome }: Delivery): boolean {
  return outcome?.kind === 'not-asked' && outcome.code === 'CURFEW_RUN_NOT_CHOSEN'
}

/** An offline grant that was left to live on: what holds it keeps access. */
export function isSurvivor({ outcome }: Pick<Delivery, 'outcome'>): boolean {
  return outcome?.kind === 'not-asked' && outcome.code === 'CURFEW_RUN_OFFLINE_GRANT'
}

/** The person opened the application again before it was told: the newer sign-in goes on. */
export function isOpenedAgain({ outcome }: Pick<Delivery, 'outcome'>): boolean {
  return (outcome?.kind === 'unconfirmed' || outcome?.kind === 'not-asked') && outcome.code === 'CURFEW_RUN_OPENED_AGAIN'
}

export function verdictOf(run: LogoutRun): Verdict {
  const counts: Partial<Record<OutcomeKind | 'open', number>> = {}
  const standing = standingDeliveries(run)
  for (const delivery of standing) {
    const key = delivery.outcome?.kind ?? 'open'
    counts[key] = (counts[key] ?? 0) + 1
  }
  if (wantedDeliveries(run).every((delivery) => countsAsSignedOut(delivery.outcome))) return { kind: 'all-ended', counts }
  return { kind: run.state === 'open' ? 'working' : 'partial', counts }
}

/**
 * A participant that should have ended was not reached or refused. One that was asked in the only way there is, where no
 * answer can come and no fault was seen, is none: it has not confirmed, and that is shown, but nothing went wrong.
 */
export function hasFault(run: LogoutRun): boolean {
  return wantedDeliveries(run).some(({ outcome }) => {
    const isPlainlyAsked = outcome?.kind === 'unconfirmed' && outcome.code === 'CURFEW_RUN_NO_ANSWER_POSSIBLE'
    return !countsAsSignedOut(outcome) && !isPlainlyAsked
  })
}

/**
 * Status owed to whoever started the run (SAML Core 3.7.3.2), undefined while it has to wait: `success` when every
 * other participant proved its end, `partial-logout` when one did not and waiting brings nothing within patience.
 */
export function starterAnswer(run: LogoutRun, nowMs: number): 'success' | 'partial-logout' | undefined {
  // A proof that is held becomes the outcome, or a better one does.
  if (wantedDeliveries(run).every(({ outcome, held }) => countsAsSignedOut(outcome ?? held))) return 'success'
  return isSettled(run, nowMs) ? 'partial-logout' : undefined
}

/**
 * Nobody needs to wait for this run any longer: it is done, or what is open goes on without anyone (a retry that is
 * due later), or the patience of the starter is over and no hop is left to offer.
 */
export function isSettled(run: LogoutRun, nowMs: number): boolean {
  if (run.state === 'done') return true
  const open = standingDeliveries(run).filter((delivery) => delivery.state !== 'final')
  const isPatienceOver = nowMs >= patienceFrom(run) + run.policy.patienceMs
  if (run.starter.kind === 'none') return open.every((d) => d.state === 'retrying' || d.state === 'waiting-for-browser')
  if (run.starter.kind === 'participant' && !isFrontBinding(run.starter.binding)) {
    return isPatienceOver || open.every((d) => d.state === 'waiting-for-browser' || d.state === 'retrying')
  }
  const needsBrowser = open.some((d) => d.state === 'waiting-for-browser')
  if (needsBrowser) return false
  return isPatienceOver || open.every((d) => d.state === 'retrying')
}

type StarterBinding = Extract<Starter, { readonly kind: 'participant' }>['binding']

/** True where the browser of the session waits for the answer, and brings it back. */
export function isFrontBinding(binding: StarterBinding): binding is 'redirect' | 'post' | 'artifact' {
  return binding === 'redirect' || binding === 'post' || binding === 'artifact'
}

/** Patience starts anew with every repeat that a person asks for. */
function patienceFrom(run: LogoutRun): number {
  const firsts = run.deliveries.filter((d) => d.retryOf !== undefined).map((d) => d.attempts[0]?.startedAtMs ?? run.startedAtMs)
  return Math.max(run.startedAtMs, ...firsts)
}
