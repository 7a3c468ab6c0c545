import { CurfewError, isCurfewError, sha256Hex, verifyOpenToken } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BrowserAnswer } from '../../engine/sender.ts'
import type { AuthorityContext } from '../context.ts'
import { byGet, type Parameters, parametersOf, pathOf, seeOther } from '../request.ts'
import { instant } from '../saml/endpoints.ts'
import { browserToken } from '../sign-on/browser-session.ts'
import type { AdapterRole, OpenTokenAdapter } from './adapter.ts'
import { cookieOf } from './carry.ts'
import { type PendingReturn, pendingReturnKey } from './opentoken-sender.ts'
import { openResume } from './resume-path.ts'

/** Attributes of an answer: a token in which an application says what became of its session. */
export const answerNames = { resume: 'resume', result: 'logout' } as const

/**
 * `/sp/<nonce>/resume/sp/startSLO.ping` and its twin on the IdP side: a browser comes back from the Logout Service of an
 * application. Is the path ours, does it wait, is it this browser, is it the first to come; only then is it used up, its
 * word goes to the run, and the logout goes on (AC-023). Anything else shows the state-not-found page and changes nothing.
 */
export async function resumeAdapterLogout(ctx: AuthorityContext, role: AdapterRole, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { nonce } = request.params as { readonly nonce: string }
  const opened = openResume(ctx.locator, role, nonce)
  if (opened === undefined) throw notFound()
  const parameters = parametersOf(request)
  const token = browserToken(ctx, request)
  // A form of another site comes without cookies; the same request by GET has them.
  if (request.method === 'POST' && token === undefined) return seeOther(reply, byGet(request))
  const key = pendingReturnKey(opened.random)
  const waiting = (await ctx.store.txGet(key, ctx.clock.nowMs())) as PendingReturn | undefined
  const adapter = waiting === undefined ? undefined : ctx.adapters.byId(waiting.adapterId)
  if (waiting === undefined || adapter?.role !== role || waiting.tokenHash !== token) throw notFound()
  if ((await ctx.store.txTake(key, ctx.clock.nowMs())).value === undefined) throw notFound()
  const answer = judge(ctx, adapter, waiting, parameters, pathOf(request))
  await ctx.engine.browserAnswered(adapter.id, waiting.messageId, answer)
  ctx.metrics.logoutMessages.inc({ peer: adapter.id, binding: 'return', kind: 'OpenToken' })
  if (adapter.transport === 'cookie') reply.header('set-cookie', cookieOf(adapter, ''))
  return seeOther(reply, `/signoff/${waiting.runId}`)
}

/**
 * What a return says. An answer token is the word of somebody who knows the password. A bare return is all that
 * applications written for the replaced product give: the one-time path went to the Logout Service only, in this browser,
 * and came back; whether that counts is the adapter's `confirmation`.
 */
function judge(ctx: AuthorityContext, adapter: OpenTokenAdapter, waiting: PendingReturn, parameters: Parameters, path: string): BrowserAnswer {
  const { error, [adapter.tokenName]: token } = parameters
  if (token !== undefined) return judgeToken(ctx, adapter, waiting, token, path)
  if (error !== undefined) return { kind: 'refused', code: 'CURFEW_OPENTOKEN_LOGOUT_REFUSED', statusCode: /^[\w.-]{1,60}$/.test(error) ? error : '' }
  if (adapter.confirmation === 'answer') return { kind: 'unusable-answer', code: 'CURFEW_OPENTOKEN_ANSWER_MISSING' }
  return { kind: 'confirmed', result: 'ended', proof: { kind: 'browser-return', hash: sha256Hex(path) } }
}

function judgeToken(ctx: AuthorityContext, adapter: OpenTokenAdapter, waiting: PendingReturn, token: string, path: string): BrowserAnswer {
  try {
    const answer = verifyOpenToken(token, {
      keys: [adapter.key],
      now: instant(ctx.clock.nowMs()),
      notBeforeToleranceSeconds: adapter.notBeforeToleranceSeconds
    })
    const { [answerNames.resume]: resume, [answerNames.result]: result } = answer.attributes
    const isOurs = answer.subject === waiting.subject && resume?.length === 1 && resume[0] === path
    // The token that this server made for the hop has the same key: only an answer names the path and a result.
    if (!isOurs || result?.length !== 1) return { kind: 'unusable-answer', code: 'CURFEW_OPENTOKEN_ANSWER_FOREIGN' }
    if (result[0] === 'ended') return { kind: 'confirmed', result: 'ended', proof: { kind: 'keyed-answer', hash: sha256Hex(token) } }
    return { kind: 'refused', code: 'CURFEW_OPENTOKEN_LOGOUT_REFUSED', statusCode: (result[0] ?? '').replaceAll(/[^\w.-]/g, '').slice(0, 60) }
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return { kind: 'unusable-answer', code: error.code }
  }
}

function notFound(): CurfewError {
  return new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
}
