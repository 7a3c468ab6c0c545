import { type CatalogueEntry, codecCatalogue, CurfewError, isCurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { catalogue } from '../errors/catalogue.ts'
import type { AdminContext } from './context.ts'
import type { ProblemView } from './schemas.ts'

const entries: Readonly<Record<string, CatalogueEntry>> = { ...codecCatalogue, ...catalogue }

/** One shape for every error of the API (RFC 9457), with all fields that were wrong at once. */
export function sendProblem(ctx: AdminContext, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error, request.id)
  if (problem.status >= 500) ctx.logger.error({ event: 'api.failed', code: problem.code, reference: request.id, err: error }, problem.title)
  return reply.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

function problemOf(error: unknown, instance: string): ProblemView {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map((issue) => ({
      path: `${error.validationContext ?? 'body'}${issue.instancePath.replaceAll('/', '.')}`,
      message: issue.message ?? 'can not be used'
    }))
    return { ...base('CURFEW_API_VALIDATION', instance), errors, remediation: 'Correct the fields that are named; /v1/openapi.json describes them.' }
  }
  if (isCurfewError(error)) return { ...base(error.code, instance), detail: error.message }
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status === 413) return base('CURFEW_API_TOO_LARGE', instance)
  return status >= 400 && status < 500 ? base('CURFEW_API_MALFORMED', instance) : base('CURFEW_API_FAILED', instance)
}

function base(code: string, instance: string): ProblemView {
  const entry = entries[code] ?? { http: 500, title: code }
  return { type: `urn:curfew:error:${code}`, title: entry.title, status: entry.http, code, instance }
}

/** @throws CURFEW_API_UNAUTHORISED */
export function unauthorised(): CurfewError {
  return new CurfewError('CURFEW_API_UNAUTHORISED')
}
