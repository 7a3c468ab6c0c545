import type { IncomingMessage, ServerResponse } from 'node:http'
import { bodyBytesMax, type GuardRequest, type GuardResponse } from './http.ts'
import { admissionOf, type Guard } from './guard.ts'
import type { AppSession } from './session-registry.ts'

/** What the guard tells the application of one request. */
export type GuardResult =
  /** Answered by the guard; the application has nothing left to do. */
  { readonly kind: 'answered' } | { readonly kind: 'signed-in'; readonly session: AppSession } | { readonly kind: 'signed-out' }

/**
 * Guards a plain `node:http` handler: answers the paths of the service provider and says who is signed in. Ask it on
 * every request, because a session may have ended a moment ago without this browser knowing.
 */
export async function guardNode(guard: Guard, request: IncomingMessage, response: ServerResponse): Promise<GuardResult> {
  const answer = await guard.handle(nodeRequest(request))
  if (answer !== undefined) {
    writeNode(response, answer)
    return { kind: 'answered' }
  }
  const admission = await admissionOf(guard, request.headers.cookie)
  if (admission.kind === 'answered') writeNode(response, admission.answer)
  if (admission.kind === 'signed-out') for (const [name, value] of Object.entries(admission.headers)) response.setHeader(name, value)
  return admission.kind === 'signed-in' ? admission : { kind: admission.kind }
}

/** A request of `node:http` (or of a framework built on it) for the guard. */
export function nodeRequest(request: IncomingMessage & { readonly originalUrl?: string; readonly body?: unknown }): GuardRequest {
  return {
    method: request.method ?? 'GET',
    target: request.originalUrl ?? request.url ?? '/',
    cookie: request.headers.cookie,
    origin: request.headers.origin,
    fetchSite: single(request.headers['sec-fetch-site']),
    readBody: () => readBody(request)
  }
}

export function writeNode(response: ServerResponse, answer: GuardResponse): void {
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value)
  response.statusCode = answer.status
  response.end(answer.body)
}

/** Reads the body, or takes what a body parser of the framework has read already. */
async function readBody(request: IncomingMessage & { readonly body?: unknown }): Promise<Uint8Array> {
  if (request.readableEnded || request.body !== undefined) return parsedBody(request.body)
  const chunks: Buffer[] = []
  let total = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    total += chunk.length
    if (total > bodyBytesMax) throw new RangeError(`the body is larger than ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Form fields, text or octets, as body parsers leave them. */
export function parsedBody(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body
  if (typeof body === 'string') return Buffer.from(body)
  if (typeof body !== 'object' || body === null) return new Uint8Array()
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(body)) for (const one of [value].flat()) form.append(name, String(one))
  return Buffer.from(form.toString())
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}
