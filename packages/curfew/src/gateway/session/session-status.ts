import { isCurfewError } from '@curfew/codecs'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../platform/clock.ts'
import type { Outbound } from '../../platform/outbound.ts'
import type { Credentials } from '../sign-in/provider.ts'

/** What the authority says of one session: it may be used, it may not, or nothing. */
export type Status = 'live' | 'revoked' | 'unknown'

/** Asks the authority about single sessions and remembers what it said, for a bounded time. */
export interface SessionStatus {
  /** At once from memory, else a promise of the answer. */
  of(sri: string): Status | Promise<Status>
}

export interface SessionStatusDeps {
  readonly outbound: Pick<Outbound, 'request'>
  readonly clock: Clock
  /** `/pf-ws/rest/sessionMgmt/revokedSris` of the authority. */
  url(): Promise<string>
  credentials(): Promise<Credentials>
  readonly cacheMs: number
  onProblem(code: string): void
}

/** Answers kept at once, as in the replaced product. */
const keptMax = 10_000
const timeoutMs = 3_000
const answerBytesMax = 64 * 1024

/**
 * GET only: a gateway asks and never revokes. 200 is revoked, 404 is not; any other answer, and none, says nothing, and
 * neither does a page for people: that one comes from something in between.
 * Requests for one session that come together share one question.
 */
export function createSessionStatus(deps: SessionStatusDeps): SessionStatus {
  const kept = new LRUCache<string, { readonly status: Status; readonly untilMs: number }>({ max: keptMax })
  const asked = new Map<string, Promise<Status>>()
  const ask = async (sri: string): Promise<Status> => {
    const startedMs = deps.clock.nowMs()
    try {
      const status = await fetchStatus(deps, sri)
      // Counted from before the question: an answer is never older than its time.
      if (status !== 'unknown') kept.set(sri, { status, untilMs: startedMs + deps.cacheMs })
      return status
    } catch (error) {
      deps.onProblem(isCurfewError(error) ? error.code : 'CURFEW_OUTBOUND_UNREACHABLE')
      return 'unknown'
    } finally {
      asked.delete(sri)
    }
  }
  return {
    of(sri) {
      const known = kept.get(sri)
      if (known !== undefined && (known.status === 'revoked' || deps.clock.nowMs() < known.untilMs)) return known.status
      const answer = asked.get(sri) ?? ask(sri)
      asked.set(sri, answer)
      return answer
    }
  }
}

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
  deps.onProblem('CURFEW_OUTBOUND_STATUS')
  return 'unknown'
}
