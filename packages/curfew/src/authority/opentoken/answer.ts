import { CurfewError, verifyOpenToken } from '@curfew/codecs'
import type { FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { type Parameters, parametersOf } from '../request.ts'
import { instant } from '../saml/endpoints.ts'
import type { OpenTokenAdapter } from './adapter.ts'
import { referenceParameter, takeReference } from './reference-store.ts'
import { answerNames } from './resume-logout.ts'

/** What an application says of somebody: in a token that the browser brings, or in attributes that it left for us. */
export interface Said {
  readonly subject: string
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly authnContext: string | undefined
  /** Tells the token from any other; absent for attributes that were left, which are taken once anyway. */
  readonly mac?: string
  readonly untilMs: number
}

type AnswerDeps = Pick<AuthorityContext, 'store' | 'clock' | 'transactionMs'>

/**
 * What came with the request, by the transport of the adapter and no other.
 * @param parameters - where a token by query or form stands
 * @throws CURFEW_SESSION_STATE_NOT_FOUND, and the codes of tokens
 */
export async function readSaid(deps: AnswerDeps, adapter: OpenTokenAdapter, parameters: Parameters, request: FastifyRequest): Promise<Said> {
  const nowMs = deps.clock.nowMs()
  if (adapter.transport === 'reference') return readReference(deps, adapter, parameters[referenceParameter] ?? '', nowMs)
  const text = adapter.transport === 'cookie' ? request.cookies[adapter.tokenName] : parameters[adapter.tokenName]
  const token = verifyOpenToken(text ?? '', { keys: [adapter.key], now: instant(nowMs), notBeforeToleranceSeconds: adapter.notBeforeToleranceSeconds })
  const { subject, attributes, authnContext, mac } = token
  // The word of an application about a logout says nothing of who is here.
  if (Object.values(answerNames).every((name) => attributes[name] !== undefined))
    throw new CurfewError('CURFEW_OPENTOKEN_ANSWER_FOREIGN', { connection: adapter.id })
  return { subject, attributes, authnContext, mac, untilMs: token.notOnOrAfter.epochMilliseconds }
}

async function readReference(deps: AnswerDeps, { id }: OpenTokenAdapter, reference: string, nowMs: number): Promise<Said> {
  const found = await takeReference(deps.store, { adapterId: id, for: 'authority' }, reference, nowMs)
  if (found === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const values = (name: string): readonly string[] => [found[name] ?? []].flat()
  const attributes = Object.fromEntries(Object.keys(found).map((name) => [name, values(name)]))
  return { subject: values('subject')[0] ?? '', attributes, authnContext: values('authnCtx')[0], untilMs: nowMs + deps.transactionMs }
}

/** Parameters of a token by query or form: each only where the adapter says it travels. */
export function strictParameters({ transport }: OpenTokenAdapter, request: FastifyRequest): Parameters {
  const isForm = transport === 'form'
  return transport === 'reference' || isForm === (request.method === 'POST') ? parametersOf(request) : {}
}
