import { existsSync } from 'node:fs'
import { isCurfewError } from '@curfew/codecs'
import type { RunView, SessionDetail } from '../admin/schemas.ts'
import { ApiProblem } from './api-problem.ts'
import type { AdminClient } from './client.ts'
import { connect } from './connect.ts'
import { type CommandContext, configPath } from './context.ts'
import type { Judgement } from './inspect-judgement.ts'
import { hashPrefix } from './inspect-shorten.ts'

/** What is asked of a running server; without one nothing leaves this machine. */
export type AskServer = Pick<AdminClient, 'runs' | 'session' | 'sessions'>

/** Runs of one partner that are looked through for a message, latest first. */
const runPagesMax = 4
const runsPerPage = '500'
/** Sessions of one partner that are looked through for a name, latest first. */
const sessionsLookedAt = 50

/** The server that the options or the configuration name, when its token can be read. Nothing is asked yet. @throws what {@link connect} throws where `--server` was given */
export function serverOf(context: CommandContext): AskServer | undefined {
  if (context.options.server === undefined && !existsSync(configPath(context))) return undefined
  try {
    return connect(context)
  } catch (error) {
    if (!isCurfewError(error) || context.options.server !== undefined) throw error
    return undefined
  }
}

/** Asks, and says that it could not when no server answers or it does not permit. */
export async function asked(what: string, server: AskServer | undefined, question: (server: AskServer) => Promise<Judgement>): Promise<Judgement> {
  if (server === undefined) return { what, verdict: 'unknown', why: 'not asked: no server' }
  try {
    return await question(server)
  } catch (error) {
    if (error instanceof ApiProblem) return { what, verdict: 'unknown', why: `not asked: ${error.problem.code}` }
    if (isCurfewError(error) || error instanceof SyntaxError) return { what, verdict: 'unknown', why: 'not asked: no server answers at its admin address' }
    throw error
  }
}

/** Whether some run sent this partner the request that is answered here. */
export async function judgeInResponseTo(server: AskServer, messageId: string, peer: string): Promise<Judgement> {
  const what = 'InResponseTo'
  let cursor: string | undefined
  for (let page = 0; page < runPagesMax; page++) {
    const { items, nextCursor } = await server.runs({ app: peer, limit: runsPerPage, cursor })
    const found = items.map((run) => answered(run, messageId, peer)).find((one) => one !== undefined)
    if (found !== undefined) return { what, ...found }
    if (nextCursor === undefined) return { what, verdict: 'fail', why: `no run sent ${peer} a request with this ID` }
    cursor = nextCursor
  }
  return { what, verdict: 'unknown', why: `not among the latest ${runPagesMax * Number(runsPerPage)} runs of ${peer}` }
}

function answered(run: RunView, messageId: string, peer: string): Pick<Judgement, 'verdict' | 'why'> | undefined {
  const delivery = run.deliveries.find((one) => one.peer === peer && one.attempts.some((attempt) => attempt.messageId === messageId))
  const attempt = delivery?.attempts.find((one) => one.messageId === messageId)
  if (delivery === undefined || attempt === undefined) return undefined
  const where = `attempt ${attempt.number} of ${run.id}`
  if (delivery.state !== 'final') return { verdict: 'ok', why: `it answers ${where}, which is ${delivery.state}` }
  const isProved = delivery.outcome === 'ended' || delivery.outcome === 'already-ended'
  return { verdict: isProved ? 'ok' : 'warn', why: `it answers ${where}, which is final: ${delivery.outcome ?? 'unknown'}` }
}

/** Whom a message names: a partner, the session of ours behind its SessionIndex, the name of the user there. */
export interface NamedSession {
  readonly peer: string
  readonly sessionId: string
  /** In full; it is compared by its hash. */
  readonly nameId?: string | undefined
}

/** Whether the session exists, is live, and this partner takes part in it under this name. */
export async function judgeSession(server: AskServer, { peer, sessionId, nameId }: NamedSession): Promise<Judgement> {
  const what = 'session'
  let session: SessionDetail
  try {
    session = await server.session(sessionId)
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.problem.status !== 404) throw error
    return { what, verdict: 'fail', why: `its SessionIndex was made for ${peer}, but no such session is kept: ${sessionId}` }
  }
  const own = session.participants.filter((participant) => participant.peer === peer)
  if (own.length === 0) return { what, verdict: 'fail', why: `${peer} takes no part in ${sessionId}` }
  if (nameId !== undefined && !own.some((participant) => isName(participant.nameId, nameId)))
    return { what, verdict: 'fail', why: `${peer} takes part in ${sessionId} under another name` }
  return { what, ...stateOf(session) }
}

function stateOf({ id, state, end }: Pick<SessionDetail, 'id' | 'state' | 'end'>): Pick<Judgement, 'verdict' | 'why'> {
  if (state === 'live') return { verdict: 'ok', why: `${id} is live` }
  if (end === undefined) return { verdict: 'warn', why: `${id} is past its limits and ends now` }
  return { verdict: 'warn', why: `${id} ended at ${new Date(end.atMs).toISOString()} by ${end.run}` }
}

/** Looks for a live session in which a partner knows this name, among the latest. */
export async function judgeName(server: AskServer, peer: string, nameId: string): Promise<Judgement> {
  const what = 'session'
  const { items, nextCursor } = await server.sessions({ app: peer, state: 'live', limit: String(sessionsLookedAt) })
  for (const { id } of items) {
    const { participants } = await server.session(id)
    if (participants.some((participant) => participant.peer === peer && isName(participant.nameId, nameId)))
      return { what, verdict: 'ok', why: `it names no SessionIndex; ${peer} knows this name in ${id}, which is live` }
  }
  if (nextCursor !== undefined) return { what, verdict: 'unknown', why: `the name is not among the latest ${sessionsLookedAt} live sessions of ${peer}` }
  return { what, verdict: 'fail', why: `no live session is known to ${peer} under this name` }
}

/** The API shows names in short, with the same hash prefix. */
function isName(shown: string, nameId: string): boolean {
  return shown.endsWith(`(sha256 ${hashPrefix(nameId)})`)
}
