import { CurfewError, isCurfewError } from '@curfew/codecs'
import { LRUCache } from 'lru-cache'
import { createBulkhead } from '../../platform/bulkhead.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Outbound } from '../../platform/outbound.ts'
import type { Credentials } from '../sign-in/provider.ts'

/** What the authority says of one session: it may be used, it may not, or nothing. */
export type Status = 'live' | 'revoked' | 'unknown'

/** Asks the authority about single sessions and remembers what it said, for a bounded time. */
export interface SessionStatus {
  /** At once from memory, else a promise of the answer. */
  of(sri: string): Status | Promise<Status>
  /**
   * The same for somebody who asks in time: from half the time of an answer on the authority is asked again, and while it
   * says nothing the former answer counts to its end.
   */
  ahead(sri: string): Status | Promise<Status>
  /** What is known without a question. */
  known(sri: string): Status
  /** True while the last question had no answer. */
  readonly isFailing: boolean
}

export interface SessionStatusDeps {
  readonly outbound: Pick<Outbound, 'request'>
  readonly clock: Clock
  readonly steadyMs: () => number
  /** `/pf-ws/rest/sessionMgmt/revokedSris` of the authority. */
  url(): Promise<string>
  credentials(): Promise<Credentials>
  readonly cacheMs: number
  /** Every question that was put, by what came of it; `code` where that was nothing. */
  onAnswer(status: Status, code?: string): void
}

/** Answers kept at once; what is asked for again stays longest. */
export const keptMax = 100_000
/** Questions that the authority is asked at once. */
export const askedAtOnceMax = 16
/** Sessions that wait for a place among them. */
const waitingMax = 20_000
/** How long a question may wait for its place, and how long its answer may take. */
const timeoutMs = 3_000
const answerBytesMax = 64 * 1024

interface Kept {
  readonly status: Status
  readonly atMs: number
  readonly steadyAtMs: number
}

/**
 * GET only: a gateway asks and never revokes. 200 is revoked, 404 is not; any other answer, and none, says nothing, and
 * neither does a page for people: that one comes from something in between.
 * Requests for one session that come together share one question; many sessions at once wait for each other, a while.
 */
export function createSessionStatus(deps: SessionStatusDeps): SessionStatus {
  const { clock, steadyMs, cacheMs } = deps
  const kept = new LRUCache<string, Kept>({ max: keptMax })
  const asked = new Map<string, Promise<Status>>()
  const places = createBulkhead({ concurrentMax: askedAtOnceMax, queuedMax: waitingMax })
  const state = { isFailing: false }
  /** By the date and by what no change of the date moves: an answer is never older than either says. */
  const isYounger = ({ status, atMs, steadyAtMs }: Kept, ms: number): boolean =>
    status === 'revoked' || (clock.nowMs() - atMs < ms && steadyMs() - steadyAtMs < ms)
  const known = (sri: string, ms: number): Status => {
    const found = kept.get(sri)
    return found !== undefined && isYounger(found, ms) ? found.status : 'unknown'
  }
  const put = async (sri: string): Promise<Status> => {
    // Counted from before the question: an answer is never older than its time.
    const startedAt = { atMs: clock.nowMs(), steadyAtMs: steadyMs() }
    const status = await inTime(clock, () => fetchStatus(deps, sri))
    kept.set(sri, { status, ...startedAt })
    state.isFailing = false
    deps.onAnswer(status)
    return status
  }
  const ask = async (sri: string): Promise<Status> => {
    const calledMs = steadyMs()
    try {
      return await places.run('status', async () => {
        if (steadyMs() - calledMs >= timeoutMs) throw new CurfewError('CURFEW_OUTBOUND_BUSY', { peer: 'session-status' })
        return put(sri)
      })
    } catch (error) {
      state.isFailing = true
      deps.onAnswer('unknown', isCurfewError(error) ? error.code : 'CURFEW_OUTBOUND_UNREACHABLE')
      return 'unknown'
    } finally {
      asked.delete(sri)
    }
  }
  const shared = (sri: string): Promise<Status> => {
    const answer = asked.get(sri) ?? ask(sri)
    asked.set(sri, answer)
    return answer
  }
  return {
    of(sri) {
      const now = known(sri, cacheMs)
      return now === 'unknown' ? shared(sri) : now
    },
    ahead(sri) {
      const now = known(sri, cacheMs / 2)
      return now === 'unknown' ? shared(sri).then((status) => (status === 'unknown' ? known(sri, cacheMs) : status)) : now
    },
    known: (sri) => known(sri, cacheMs),
    get isFailing() {
      return state.isFailing
    }
  }
}

/** Everything that a question takes counts, what it needs to know first included. @throws CURFEW_OUTBOUND_TIMEOUT */
function inTime<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => reject(new CurfewError('CURFEW_OUTBOUND_TIMEOUT', { peer: 'session-status' })))
    work()
      .then(resolve, reject)
      .finally(() => timer.cancel())
  })
}

/** @throws CURFEW_OUTBOUND_STATUS for an answer that says nothing; those of the outbound door */
async function fetchStatus(deps: SessionStatusDeps, sri: string): Promise<Status> {
  const { headers, query } = await deps.credentials()
  const url = new URL(`${await deps.url()}/${encodeURIComponent(sri)}`)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  const answer = await deps.outbound.request({
    peerId: 'session-status',
    url: url.href,
    method: 'GET',
    headers: { ...headers, 'x-xsrf-header': 'curfew', accept: 'application/json' },
    timeoutMs,
    responseBytesMax: answerBytesMax
  })
  const isPage = (answer.headers['content-type'] ?? '').includes('html')
  if (answer.status === 200 && !isPage) return 'revoked'
  if (answer.status === 404 && !isPage) return 'live'
  throw new CurfewError('CURFEW_OUTBOUND_STATUS', { status: answer.status })
}
