import { z } from 'zod'
import { bodyBytesMax } from './call.ts'
import type { GroupLinks } from './group-links.ts'

/** A request of a browser or a client, whole, for the group that has what it is about. */
export interface CarriedRequest {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PUT' | 'PATCH'
  /** Path and query as received. */
  readonly url: string
  /** Repeated headers as lists. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** Address of the connection that it came by. */
  readonly address: string
  readonly body: Uint8Array
}

/** The answer of that group, whole. */
export interface CarriedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Uint8Array
}

const headers = z.record(z.string(), z.union([z.string(), z.array(z.string())]))
const base64 = z.base64()
const request = z.strictObject({
  method: z.enum(['GET', 'POST', 'DELETE', 'PUT', 'PATCH']),
  url: z.string().startsWith('/').max(100_000),
  headers,
  address: z.string().max(64),
  body: base64
})
const answer = z.strictObject({ status: z.int().min(200).max(599), headers, body: base64 })

const name = 'requests.carry'
/** A sign-off page stays open while applications are told. A group that falls silent is waited for no longer than that is noticed. */
const carryMs = 60_000

/** Answers requests that landed in another group as if they had landed here. */
export function serveCarried(links: Pick<GroupLinks, 'serve'>, carryOut: (request: CarriedRequest) => Promise<CarriedAnswer>): void {
  links.serve(name, request, async ({ body, ...rest }) => {
    const done = await carryOut({ ...rest, body: Buffer.from(body, 'base64') })
    return { ...done, body: Buffer.from(done.body).toString('base64') }
  })
}

/**
 * Hands a request over to another group, once: what is answered there is not handed on.
 * @throws what {@link GroupLinks.call} throws
 */
export async function carry(links: Pick<GroupLinks, 'call'>, group: string, { body, ...rest }: CarriedRequest): Promise<CarriedAnswer> {
  const done = await links.call(group, name, { ...rest, body: Buffer.from(body).toString('base64') }, { answer, timeoutMs: carryMs, givesUpWhenSilent: true })
  return { ...done, body: Buffer.from(done.body, 'base64') }
}

/** Largest body that can be handed over: it grows by a third on the way, and headers come with it. */
export const carriedBytesMax = Math.floor((bodyBytesMax * 5) / 8)
