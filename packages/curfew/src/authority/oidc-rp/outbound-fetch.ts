import type { CustomFetch } from 'openid-client'
import type { Outbound } from '../../platform/outbound.ts'

const timeoutMs = 5_000
/** Configuration, keys and tokens are small. */
const answerBytesMax = 512 * 1024
/** Answers of these statuses have no body, and a Response must not be given one. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304])

/** The fetch of the OpenID library, through the one outbound door. */
export function outboundFetch(outbound: Pick<Outbound, 'request'>, peerId: string): CustomFetch {
  return async (url, options) => {
    const headers = { ...options.headers }
    const form = options.body instanceof URLSearchParams
    if (form) headers['content-type'] ??= 'application/x-www-form-urlencoded;charset=UTF-8'
    const body = bodyOf(options.body)
    const answer = await outbound.request({
      peerId,
      url,
      method: options.method === 'POST' ? 'POST' : 'GET',
      headers,
      timeoutMs,
      responseBytesMax: answerBytesMax,
      ...(body === undefined ? {} : { body }),
      ...(options.signal === undefined ? {} : { signal: options.signal })
    })
    return new Response(bodiless.has(answer.status) ? null : new Uint8Array(answer.body), { status: answer.status, headers: answer.headers })
  }
}

function bodyOf(body: Parameters<CustomFetch>[1]['body']): string | Uint8Array | undefined {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  if (body instanceof URLSearchParams) return body.toString()
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  throw new TypeError('a request to an OpenID provider has a body that is streamed')
}
