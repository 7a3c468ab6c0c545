import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { remedyOf } from '../errors/remedies.ts'
import { everyCode, renderError } from '../errors/render.ts'
import type { AdminContext } from './context.ts'
import type { FieldProblem, ProblemView } from './schemas.ts'

/** One shape for every error of the API (RFC 9457), with all fields that were wrong at once. */
export function sendProblem(ctx: AdminContext, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error, request.id)
  if (problem.status >= 500) ctx.logger.error({ event: 'api.failed', code: problem.code, reference: request.id, err: error }, problem.title)
  return reply.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

function problemOf(error: unknown, instance: string): ProblemView {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const where = error.validationContext ?? 'body'
    return { ...base('CURFEW_API_VALIDATION', instance), errors: error.validation.map((issue) => fieldProblem(where, issue)) }
  }
  if (isCurfewError(error)) return { ...base(error.code, instance), ...placeOf(error) }
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status === 413) return base('CURFEW_API_TOO_LARGE', instance)
  return status >= 400 && status < 500 ? base('CURFEW_API_MALFORMED', instance) : base('CURFEW_API_FAILED', instance)
}

function base(code: string, instance: string): ProblemView {
  const entry = everyCode[code] ?? { http: 500, title: code }
  const remediation = remedyOf(code)
  return { type: `urn:curfew:error:${code}`, title: entry.title, status: entry.http, code, instance, ...(remediation === undefined ? {} : { remediation }) }
}

/** One field that can not be used: where, why, and what would do instead of what came. */
function fieldProblem(
  where: string,
  issue: { readonly instancePath: string; readonly message?: string; readonly params: Readonly<Record<string, unknown>> }
): FieldProblem {
  const { expected, values, input } = issue.params
  const wanted = Array.isArray(values) ? values.join(', ') : expected
  return {
    path: `${where}${issue.instancePath.replaceAll('/', '.')}`.replace(/\.$/, ''),
    message: issue.message ?? 'can not be used',
    ...(typeof wanted === 'string' ? { expected: wanted } : {}),
    ...(input === undefined ? {} : { got: JSON.stringify(input)?.slice(0, 60) ?? '' })
  }
}

/** The facts of an error, and the run and the message that it speaks of. */
function placeOf(error: CurfewError): Pick<ProblemView, 'detail' | 'run' | 'message'> {
  const { run, message } = error.context
  const { facts } = renderError(error)
  return {
    ...(facts.length === 0 ? {} : { detail: facts.map(([name, value]) => `${name}: ${value}`).join(', ') }),
    ...(typeof run === 'string' ? { run } : {}),
    ...(typeof message === 'string' ? { message } : {})
  }
}

/** @throws CURFEW_API_UNAUTHORISED */
export function unauthorised(): CurfewError {
  return new CurfewError('CURFEW_API_UNAUTHORISED')
}
