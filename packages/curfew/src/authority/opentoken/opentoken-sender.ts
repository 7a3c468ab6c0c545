import { CurfewError } from '@curfew/codecs'
import type { RunId } from '../../core/ids.ts'
import type { Session } from '../../core/session.ts'
import type { BrowserInstruction, Sender, SendRequest } from '../../engine/sender.ts'
import type { Ids } from '../../platform/ids.ts'
import type { Locator } from '../../platform/locator.ts'
import type { Adapters } from './adapters.ts'
import { type CarryDeps, carry } from './carry.ts'
import { logoutResumePath } from './resume-path.ts'
import { statementOf } from './statement.ts'

/** A logout that waits for its browser to come back from an application. */
export interface PendingReturn {
  readonly adapterId: string
  readonly runId: RunId
  readonly messageId: string
  readonly subject: string
  /** Hash of the session cookie of the browser that was sent. */
  readonly tokenHash: string
}

export interface OpenTokenSenderDeps extends CarryDeps {
  readonly adapters: Pick<Adapters, 'byId' | 'all'>
  readonly ids: Pick<Ids, 'cookie' | 'group'>
  readonly locator: Locator
  /** How long the application may take to send the browser back, in milliseconds. */
  readonly transactionMs: number
  /** How long after the end of its session the attributes of a user are still told, in milliseconds. */
  readonly attributeMs: number
}

/** Tells applications by OpenToken that a session ended: by a visit of the browser to their Logout Service, and no other way. */
export function createOpenTokenSender(deps: OpenTokenSenderDeps): Sender {
  return {
    protocol: 'opentoken',
    newMessageId: () => deps.ids.cookie(),
    send: async () => ({ kind: 'failed', why: 'unreachable', code: 'CURFEW_RUN_NO_CHANNEL', retryable: false }),
    prepareBrowser: (request) => prepareBrowser(deps, request)
  }
}

/**
 * The same for a logout that starts at the SP and at the IdP: Logout Service, token of the user's attributes, resume path
 * (AC-027). What waits for the return is written before the browser leaves.
 */
async function prepareBrowser(deps: OpenTokenSenderDeps, { run, delivery, channel, messageId, nowMs }: SendRequest): Promise<BrowserInstruction> {
  const adapter = deps.adapters.byId(delivery.peerId)
  if (adapter === undefined) throw new CurfewError('CURFEW_RUN_PEER_UNKNOWN', { connection: delivery.peerId })
  const path = logoutResumePath(deps.locator, adapter.role, messageId, run.sessionId)
  const pending: PendingReturn = { adapterId: adapter.id, runId: run.id, messageId, subject: delivery.nameId.value, tokenHash: run.tokenHash }
  await deps.store.txCreate(pendingReturnKey(messageId), pending, nowMs + deps.transactionMs)
  const session = withoutExpired(await deps.store.getSession(run.sessionId), nowMs - deps.attributeMs)
  return carry(deps, adapter, {
    url: channel.url,
    statement: statementOf(adapter, { subject: delivery.nameId.value, sessionIndex: delivery.sessionIndex, session }, nowMs),
    parameters: Object.fromEntries(adapter.resumeNames.map((name) => [name, path])),
    nowMs
  })
}

/** Attributes of a session that ended at `beforeMs` or earlier have expired; who it was is still known. */
function withoutExpired(session: Session | undefined, beforeMs: number): Session | undefined {
  return session?.end === undefined || session.end.atMs > beforeMs ? session : { ...session, attributes: {} }
}

export function pendingReturnKey(random: string): string {
  return `opentoken-return:${random}`
}
