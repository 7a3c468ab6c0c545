import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { sendInstruction } from '../reply.ts'
import type { ApplicationAdapter } from './adapter.ts'
import { carry } from './carry.ts'
import { recordAdapter, sessionIndexOf } from './participant.ts'
import { statementOf } from './statement.ts'

/** One opening of one application. */
export interface Opening {
  readonly session: Session
  /** What the application calls the user. */
  readonly subject: string
  readonly targetUrl: string
}

/** The application is recorded in the session, and the browser goes to it with its token. */
export async function issueToken(
  ctx: AuthorityContext,
  adapter: ApplicationAdapter,
  { session, subject, targetUrl }: Opening,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const nowMs = ctx.clock.nowMs()
  await recordAdapter(ctx, adapter, session, subject, targetUrl)
  const statement = statementOf(adapter, { subject, sessionIndex: sessionIndexOf(ctx, adapter, session), session }, nowMs)
  const { subjectParameter } = adapter
  const parameters = subjectParameter === undefined ? {} : { [subjectParameter]: subject }
  ctx.metrics.assertionsIssued.inc({ peer: adapter.id })
  ctx.logger.info({ event: 'opentoken.issued', connection: adapter.id, session: session.id }, `OpenToken issued to ${adapter.id}`)
  return sendInstruction(ctx, request, reply, await carry(ctx, adapter, { url: targetUrl, statement, parameters, nowMs }))
}
