import { z } from 'zod'
import { eventGap, eventView, problemView, receiptView, runView } from './schemas.ts'

interface Answer {
  readonly description: string
  readonly content: Readonly<Record<string, { readonly schema: object }>>
}

/** The part of a description that is added to here. */
interface Document {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, { readonly responses?: Readonly<Record<string, object>> }>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, object>> }
}

/** Answers that are no JSON: what they are, and what is inside. */
const special: Readonly<Record<string, Answer>> = {
  '/v1/runs/{id}/receipt': {
    description: 'The receipt: a JWS in compact form over what the run found out',
    content: { 'application/jose': { schema: inside('Receipt', { contentEncoding: 'base64url' }) } }
  },
  '/v1/runs/{id}/events': {
    description: 'Server-sent events named `run`: the run as it is, then after every change, until it is done',
    content: { 'text/event-stream': { schema: inside('Run') } }
  },
  '/v1/events': {
    description:
      'Server-sent events: `event` for what happened, `gap` in the place of what can not be told any more, `position` from time to time. The id of each is where to go on: as `after`, or as Last-Event-ID. After a reconnection some come again, with the same id',
    content: { 'text/event-stream': { schema: { oneOf: [inside('Event'), inside('Gap')] } } }
  }
}

const problem: Answer = {
  description: 'What went wrong, what to do, and a code that docs/reference/errors explains (RFC 9457)',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }
}

/** Completes the description that the routes give: every call may be answered with a problem, and two with no JSON at all. */
export function withAnswers<T extends object>(described: T): T {
  const document = described as Document
  const paths: Record<string, object> = {}
  for (const [path, calls] of Object.entries(document.paths ?? {})) {
    const own = special[path]
    const completed: Record<string, object> = {}
    for (const [method, call] of Object.entries(calls))
      completed[method] = { ...call, responses: { ...call.responses, ...(own === undefined ? {} : { 200: own }), default: problem } }
    paths[path] = completed
  }
  const schemas = {
    ...document.components?.schemas,
    Problem: schemaOf(problemView),
    Receipt: schemaOf(receiptView),
    Run: schemaOf(runView),
    Event: schemaOf(eventView),
    Gap: schemaOf(eventGap)
  }
  return { ...described, paths, components: { ...document.components, schemas } }
}

/** A text that holds JSON of this shape. */
function inside(name: string, more: object = {}): object {
  return { type: 'string', ...more, contentMediaType: 'application/json', contentSchema: { $ref: `#/components/schemas/${name}` } }
}

function schemaOf(shape: z.ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(shape, { io: 'output' })
  return schema
}
