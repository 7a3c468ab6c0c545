import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError } from '@curfew/codecs'
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

/** Sends an answer of the guard by `node:http`. */
export function writeNode(response: ServerResponse, answer: GuardResponse): void {
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value)
  response.statusCode = answer.status
  response.end(answer.body)
}

/** Takes what a body parser of the framework has read already, or reads the body. */
async function readBody(request: IncomingMessage & { readonly body?: unknown }): Promise<Uint8Array> {
  // Some parsers leave an empty object where they read nothing.
  const parsed = parsedBody(request.body)
  return parsed.length > 0 || request.readableEnded ? parsed : readStream(request, request.headers['content-length'])
}

/** A body that can be read; what comes after the limit is thrown away, so that the answer can still be sent. */
interface BodyStream {
  iterator(options: { readonly destroyOnReturn: false }): AsyncIterable<unknown>
  resume(): unknown
}

/**
 * Reads a body to its end.
 * @throws CURFEW_HTTP_BODY_LIMIT when it is larger than {@link bodyBytesMax}, before it is read where its length is told
 */
export async function readStream(body: unknown, length: string | undefined): Promise<Uint8Array> {
  if (!isStream(body)) return parsedBody(body)
  const chunks: Buffer[] = []
  let total = 0
  try {
    if (Number(length ?? 0) > bodyBytesMax) throw tooLarge()
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      const octets = chunk instanceof Uint8Array ? Buffer.from(chunk) : Buffer.from(String(chunk))
      total += octets.length
      if (total > bodyBytesMax) throw tooLarge()
      chunks.push(octets)
    }
  } catch (error) {
    body.resume()
    throw error
  }
  return Buffer.concat(chunks)
}

function isStream(body: unknown): body is BodyStream {
  return typeof body === 'object' && body !== null && 'iterator' in body && 'resume' in body
}

/**
 * Form fields, text or octets, as body parsers leave them.
 * @throws CURFEW_HTTP_BODY_LIMIT
 */
function parsedBody(body: unknown): Uint8Array {
  const octets = octetsOf(body)
  if (octets.length > bodyBytesMax) throw tooLarge()
  return octets
}

function octetsOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body
  if (typeof body === 'string') return Buffer.from(body)
  if (typeof body !== 'object' || body === null) return new Uint8Array()
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(body)) for (const one of [value].flat()) form.append(name, String(one))
  return Buffer.from(form.toString())
}

function tooLarge(): CurfewError {
  return new CurfewError('CURFEW_HTTP_BODY_LIMIT', { bytesMax: bodyBytesMax })
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}
