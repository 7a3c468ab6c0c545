import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import { eventsSupported, type Stream, type StreamDelivery } from './streams.ts'

const pushUrn = 'urn:ietf:rfc:8935'
const pollUrn = 'urn:ietf:rfc:8936'
export const deliveryMethods = [pushUrn, pollUrn] as const

/** What a receiver may say of its stream; what only the transmitter sets is read over. */
const body = z.object({
  stream_id: z.string().max(100).optional(),
  events_requested: z.array(z.string().max(500)).max(50).optional(),
  delivery: z
    .discriminatedUnion('method', [
      z.object({
        method: z.literal(pushUrn),
        endpoint_url: z.string().max(2_000),
        authorization_header: z
          .string()
          .max(4_000)
          .regex(/^[\x20-\x7e]+$/)
          .optional()
      }),
      z.object({ method: z.literal(pollUrn) })
    ])
    .optional(),
  description: z.string().max(200).optional()
})

export type StreamBody = z.output<typeof body>

/** @throws CURFEW_API_VALIDATION */
export function parseStreamBody(value: unknown): StreamBody {
  return checked(body, value ?? {})
}

/** @throws CURFEW_API_VALIDATION with the first field that is wrong */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value)
  if (!result.success) throw new CurfewError('CURFEW_API_VALIDATION', { parameter: result.error.issues[0]?.path.join('.') ?? '' })
  return result.data
}

/** @throws CURFEW_API_VALIDATION for an address that is no plain https (or, on this machine, http) address */
export function deliveryOf({ delivery }: StreamBody): StreamDelivery {
  if (delivery === undefined || delivery.method === pollUrn) return { method: 'poll' }
  const { endpoint_url: endpointUrl, authorization_header: authorization } = delivery
  const url = URL.parse(endpointUrl)
  const isHere = url !== null && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  const isPlain = url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isHere)) && url.username === '' && url.password === ''
  if (!isPlain || endpointUrl.includes('#')) throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'delivery.endpoint_url' })
  return { method: 'push', endpointUrl, ...(authorization === undefined ? {} : { authorization }) }
}

/** A stream as its receiver sees it. The authorization header is never shown again. */
export function streamView(baseUrl: string, pollPath: string, stream: Stream, minVerificationSeconds: number): object {
  const { delivery } = stream
  return {
    stream_id: stream.id,
    iss: baseUrl,
    aud: stream.clientId,
    delivery: delivery.method === 'push' ? { method: pushUrn, endpoint_url: delivery.endpointUrl } : { method: pollUrn, endpoint_url: baseUrl + pollPath },
    events_supported: eventsSupported,
    events_requested: stream.eventsRequested,
    events_delivered: stream.eventsRequested.filter((event) => eventsSupported.includes(event)),
    min_verification_interval: minVerificationSeconds,
    ...(stream.description === undefined ? {} : { description: stream.description })
  }
}
